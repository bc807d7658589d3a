//! Tokens: held in memory only, renewed before they die, fetched once for all who wait.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::sync::Mutex;

use crate::{cloud::CloudError, redact::Secret};

/// A token is taken for dead this long before it is: Azure Databricks refuses one of less than 30 seconds.
const MARGIN: Duration = Duration::from_secs(40);
/// A token is renewed at most this long before its end.
const LONGEST_WINDOW: Duration = Duration::from_secs(20 * 60);
/// After a renewal that failed, the old token is used this long before the next try.
const PAUSE: Duration = Duration::from_secs(60);

/// What is shown with every request.
pub(super) struct Token {
    /// The whole `Authorization` header.
    pub(super) authorization: Secret,
    /// A token for Azure's own management, which Azure Databricks wants to see beside.
    pub(super) management: Option<Secret>,
    obtained: Instant,
    /// How long it lives; `None` when nobody says so.
    lives: Option<Duration>,
}

/// How a token stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TokenAge {
    Fresh,
    /// Still good, and time for the next one.
    Stale,
    Dead,
}

impl Token {
    /// A bearer token that was asked for at this moment.
    pub(super) fn bearer(token: &Secret, obtained: Instant, lives: Option<Duration>) -> Self {
        let authorization = Secret::new([b"Bearer ", token.reveal()].concat());
        Self { authorization, management: None, obtained, lives }
    }

    /// A proof that does not change.
    pub(super) fn fixed(authorization: Secret) -> Self {
        Self { authorization, management: None, obtained: Instant::now(), lives: None }
    }

    /// The same, with another beside; both are renewed when the first of them has to be.
    pub(super) fn with_management(self, token: Secret, lives: Option<Duration>) -> Self {
        let shortest = self.lives.into_iter().chain(lives).min();
        Self { management: Some(token), lives: shortest, ..self }
    }

    fn age(&self) -> TokenAge {
        self.lives.map_or(TokenAge::Fresh, |lives| age(lives, self.obtained.elapsed()))
    }
}

fn age(lives: Duration, old: Duration) -> TokenAge {
    let left = lives.saturating_sub(old);
    if left <= MARGIN {
        TokenAge::Dead
    } else if left <= LONGEST_WINDOW.min(lives / 2) {
        TokenAge::Stale
    } else {
        TokenAge::Fresh
    }
}

/// The token in use.
#[derive(Default)]
pub(super) struct TokenCache {
    held: Mutex<CacheState>,
}

#[derive(Default)]
struct CacheState {
    token: Option<Arc<Token>>,
    /// Counts the tokens there were: who finds one rejected may not throw away the next one.
    number: u64,
    last_failure: Option<Instant>,
}

/// A token as it is handed out.
pub(super) struct CachedToken {
    pub(super) token: Arc<Token>,
    /// Which one it is.
    pub(super) number: u64,
    /// Whether it was fetched for this very call.
    pub(super) is_new: bool,
}

impl TokenCache {
    /// The token, fetched when there is none, or none that lives long enough. Callers that come meanwhile wait for it.
    pub(super) async fn token(
        &self,
        fetch: impl AsyncFn() -> Result<Token, CloudError>,
    ) -> Result<CachedToken, CloudError> {
        let mut held = self.held.lock().await;
        let kept = held.token.clone().filter(|token| token.age() != TokenAge::Dead);
        if let Some(token) = kept {
            let paused = held.last_failure.is_some_and(|failure| failure.elapsed() < PAUSE);
            if token.age() == TokenAge::Fresh || paused {
                return Ok(CachedToken { token, number: held.number, is_new: false });
            }
            if let Ok(next) = fetch().await {
                return Ok(held.take(next));
            }
            // It is still good: the next call may have more luck.
            held.last_failure = Some(Instant::now());
            return Ok(CachedToken { token, number: held.number, is_new: false });
        }
        Ok(held.take(fetch().await?))
    }

    /// Throws a token away that the service rejected, unless another one has taken its place.
    pub(super) async fn forget(&self, number: u64) {
        let mut held = self.held.lock().await;
        if held.number == number {
            held.token = None;
        }
    }
}

impl CacheState {
    fn take(&mut self, token: Token) -> CachedToken {
        let token = Arc::new(token);
        *self = Self { token: Some(Arc::clone(&token)), number: self.number + 1, last_failure: None };
        CachedToken { token, number: self.number, is_new: true }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;
    use crate::cloud::CloudErrorKind;

    const HOUR: Duration = Duration::from_secs(3600);

    fn token(lives: Option<Duration>) -> Token {
        Token::bearer(&Secret::new(b"t".to_vec()), Instant::now(), lives)
    }

    #[test]
    fn a_token_is_renewed_in_its_last_twenty_minutes_or_half_its_life_and_dead_forty_seconds_early() {
        let minutes = |count: u64| Duration::from_secs(count * 60);
        assert_eq!(age(HOUR, minutes(39)), TokenAge::Fresh);
        assert_eq!(age(HOUR, minutes(41)), TokenAge::Stale);
        assert_eq!(age(minutes(10), minutes(6)), TokenAge::Stale);
        assert_eq!(age(HOUR, Duration::from_secs(3600 - 41)), TokenAge::Stale);
        assert_eq!(age(HOUR, Duration::from_secs(3600 - 40)), TokenAge::Dead);
        assert_eq!(age(HOUR, HOUR * 2), TokenAge::Dead);
        assert_eq!(token(None).age(), TokenAge::Fresh);
    }

    #[tokio::test]
    async fn those_who_come_at_the_same_time_share_one_fetch() {
        let (cache, fetched) = (TokenCache::default(), AtomicU64::new(0));
        let fetch = async || {
            fetched.fetch_add(1, Ordering::SeqCst);
            tokio::time::sleep(Duration::from_millis(20)).await;
            Ok(token(Some(HOUR)))
        };
        let all = futures::future::join_all((0..50).map(|_| cache.token(&fetch))).await;
        assert!(all.iter().all(Result::is_ok));
        assert_eq!(fetched.load(Ordering::SeqCst), 1);
        assert_eq!(all.iter().flatten().filter(|handed| handed.is_new).count(), 1);
    }

    #[tokio::test]
    async fn a_token_that_lives_too_short_is_used_once_and_not_kept() {
        let cache = TokenCache::default();
        let short = async || Ok(token(Some(Duration::from_secs(30))));
        let numbers = [cache.token(short).await, cache.token(short).await].map(|handed| handed.expect("one").number);
        assert_eq!(numbers, [1, 2]);
    }

    #[tokio::test]
    async fn a_renewal_that_fails_leaves_the_old_token_and_is_not_tried_again_at_once() {
        let (cache, tried) = (TokenCache::default(), AtomicU64::new(0));
        let old = Instant::now().checked_sub(Duration::from_secs(50)).expect("the machine is up for a minute");
        let stale = async || Ok(Token::bearer(&Secret::new(b"t".to_vec()), old, Some(Duration::from_secs(100))));
        cache.token(stale).await.expect("the first");
        let failing = async || {
            tried.fetch_add(1, Ordering::SeqCst);
            Err(CloudError::new(CloudErrorKind::Unreachable, "down"))
        };
        for _ in 0..3 {
            assert_eq!(cache.token(failing).await.expect("the old one").number, 1);
        }
        assert_eq!(tried.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn only_the_token_that_was_rejected_is_thrown_away() {
        let cache = TokenCache::default();
        let fetch = async || Ok(token(None));
        let first = cache.token(fetch).await.expect("one").number;
        cache.forget(first).await;
        let second = cache.token(fetch).await.expect("another");
        assert!(second.is_new && second.number == 2);
        cache.forget(first).await;
        assert!(!cache.token(fetch).await.expect("the same").is_new);
    }

    #[test]
    fn two_tokens_live_as_long_as_the_shorter_one() {
        let both = token(Some(HOUR)).with_management(Secret::new(vec![b'm']), Some(Duration::from_secs(60)));
        assert_eq!(both.lives, Some(Duration::from_secs(60)));
    }
}
