//! The cached token: kept in memory only, renewed before it expires, requested once for all concurrent callers.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::sync::Mutex;

use crate::{cloud::CloudError, redact::Secret};

/// A token counts as expired this long before its expiry: Azure Databricks rejects a token with less than 30 seconds
/// left.
const MARGIN: Duration = Duration::from_secs(40);
/// The renewal starts at most this long before the expiry.
const MAX_RENEWAL_WINDOW: Duration = Duration::from_secs(20 * 60);
/// The pause between a failed renewal and the next one. The old token is used meanwhile.
const RETRY_PAUSE: Duration = Duration::from_secs(60);

/// The credentials of a request.
pub(super) struct Token {
    /// The complete `Authorization` header.
    pub(super) authorization: Secret,
    /// A token for Azure Resource Manager. Azure Databricks requires it in addition.
    pub(super) management: Option<Secret>,
    requested: Instant,
    /// The lifetime. `None` if it is not known.
    lifetime: Option<Duration>,
}

/// The state of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TokenAge {
    Fresh,
    /// Valid, but the renewal is due.
    Stale,
    Expired,
}

impl Token {
    /// A bearer token. `requested` is the time of the request.
    pub(super) fn bearer(token: &Secret, requested: Instant, lifetime: Option<Duration>) -> Self {
        let authorization = Secret::new([b"Bearer ", token.reveal()].concat());
        Self { authorization, management: None, requested, lifetime }
    }

    /// A fixed header without expiry.
    pub(super) fn fixed(authorization: Secret) -> Self {
        Self { authorization, management: None, requested: Instant::now(), lifetime: None }
    }

    /// Adds a management token. Both are renewed when the first of them is due.
    pub(super) fn with_management(self, token: Secret, lifetime: Option<Duration>) -> Self {
        let shortest = self.lifetime.into_iter().chain(lifetime).min();
        Self { management: Some(token), lifetime: shortest, ..self }
    }

    fn age(&self) -> TokenAge {
        self.lifetime.map_or(TokenAge::Fresh, |lifetime| age(lifetime, self.requested.elapsed()))
    }
}

fn age(lifetime: Duration, elapsed: Duration) -> TokenAge {
    let left = lifetime.saturating_sub(elapsed);
    if left <= MARGIN {
        TokenAge::Expired
    } else if left <= MAX_RENEWAL_WINDOW.min(lifetime / 2) {
        TokenAge::Stale
    } else {
        TokenAge::Fresh
    }
}

/// The cache of a connection.
#[derive(Default)]
pub(super) struct TokenCache {
    state: Mutex<CacheState>,
}

#[derive(Default)]
struct CacheState {
    token: Option<Arc<Token>>,
    /// The number of tokens so far. It identifies the token that a service rejected, so that its successor is kept.
    number: u64,
    last_failure: Option<Instant>,
}

/// A token from the cache.
pub(super) struct CachedToken {
    pub(super) token: Arc<Token>,
    /// The number of the token.
    pub(super) number: u64,
    /// Whether the token was requested for this call.
    pub(super) is_new: bool,
}

impl TokenCache {
    /// The token. Requests one if there is none or if it has expired. Concurrent callers wait for the request.
    pub(super) async fn token(
        &self,
        fetch: impl AsyncFn() -> Result<Token, CloudError>,
    ) -> Result<CachedToken, CloudError> {
        let mut state = self.state.lock().await;
        let kept = state.token.clone().filter(|token| token.age() != TokenAge::Expired);
        if let Some(token) = kept {
            let paused = state.last_failure.is_some_and(|failure| failure.elapsed() < RETRY_PAUSE);
            if token.age() == TokenAge::Fresh || paused {
                return Ok(CachedToken { token, number: state.number, is_new: false });
            }
            if let Ok(next) = fetch().await {
                return Ok(state.take(next));
            }
            // The old token is still valid. A later call repeats the renewal.
            state.last_failure = Some(Instant::now());
            return Ok(CachedToken { token, number: state.number, is_new: false });
        }
        Ok(state.take(fetch().await?))
    }

    /// Drops a token that a service rejected, unless it was already replaced.
    pub(super) async fn forget(&self, number: u64) {
        let mut state = self.state.lock().await;
        if state.number == number {
            state.token = None;
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

    fn token(lifetime: Option<Duration>) -> Token {
        Token::bearer(&Secret::new(b"t".to_vec()), Instant::now(), lifetime)
    }

    #[test]
    fn a_token_is_renewed_twenty_minutes_or_half_its_lifetime_early_and_expires_forty_seconds_early() {
        let minutes = |count: u64| Duration::from_secs(count * 60);
        assert_eq!(age(HOUR, minutes(39)), TokenAge::Fresh);
        assert_eq!(age(HOUR, minutes(41)), TokenAge::Stale);
        assert_eq!(age(minutes(10), minutes(6)), TokenAge::Stale);
        assert_eq!(age(HOUR, Duration::from_secs(3600 - 41)), TokenAge::Stale);
        assert_eq!(age(HOUR, Duration::from_secs(3600 - 40)), TokenAge::Expired);
        assert_eq!(age(HOUR, HOUR * 2), TokenAge::Expired);
        assert_eq!(token(None).age(), TokenAge::Fresh);
    }

    #[tokio::test]
    async fn concurrent_callers_share_one_request() {
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
    async fn a_token_with_a_short_lifetime_is_used_once() {
        let cache = TokenCache::default();
        let short = async || Ok(token(Some(Duration::from_secs(30))));
        let numbers = [cache.token(short).await, cache.token(short).await].map(|handed| handed.expect("one").number);
        assert_eq!(numbers, [1, 2]);
    }

    #[tokio::test]
    async fn after_a_failed_renewal_the_old_token_is_used_for_a_while() {
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
    async fn only_the_rejected_token_is_dropped() {
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
    fn two_tokens_have_the_shorter_lifetime() {
        let both = token(Some(HOUR)).with_management(Secret::new(vec![b'm']), Some(Duration::from_secs(60)));
        assert_eq!(both.lifetime, Some(Duration::from_secs(60)));
    }
}
