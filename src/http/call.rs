//! API calls: one request, one complete answer with any status, retried as the service documents it.
//!
//! A credential is never sent in plain text to another machine. Redirects are not followed, so an answer cannot decide
//! which server receives a token.

use std::time::{Duration, Instant};

use futures::StreamExt as _;
use reqwest::{Method, StatusCode, header::HeaderMap};
use secrecy::zeroize::Zeroizing;

use super::{
    address::{goes_direct, host_and_path, is_link_local},
    answer::Answer,
    client::Client,
    error::{HttpError, HttpProblem},
    request::Request,
    web_page::{is_announced, is_web_page},
};
use crate::redact::is_loopback;

/// The shortest time limit of a retry: a shorter one would replace the first error by a timeout.
const MIN_ATTEMPT_TIMEOUT: Duration = Duration::from_secs(1);
/// The largest buffer that is allocated because of an announced size, in bytes.
const MAX_INITIAL_CAPACITY: usize = 1 << 20;

impl Client {
    /// Sends a request and returns the complete answer, with any status. Retries according to the request's policy.
    pub async fn call(&self, request: &Request) -> Result<Answer, HttpError> {
        if let Some(name) = request.unsendable {
            return Err(HttpError::new(&request.url, HttpProblem::Unsendable(name)));
        }
        let may_read = is_loopback(&request.url) || request.stays_on_link && is_link_local(&request.url);
        if request.has_credential && request.url.scheme() != "https" && !may_read {
            return Err(HttpError::new(&request.url, HttpProblem::PlainText));
        }
        #[cfg(any(test, fuzzing))]
        if let Some(answer) = self.next_prepared(&request.url, request.limit) {
            return answer;
        }
        let began = Instant::now();
        let (mut wait, mut limit) = (request.retrying.first, request.timeout);
        loop {
            let ended = tokio::time::timeout(limit, self.call_once(request)).await;
            let ended = ended.unwrap_or_else(|_| Err(HttpError::new(&request.url, HttpProblem::Silence)));
            let again = match &ended {
                Ok(answer) if request.retrying.statuses.contains(&answer.status) => {
                    Some(answer.retry_after().unwrap_or_default())
                }
                Err(error) if error.is_transient() => Some(Duration::ZERO),
                _ => None,
            };
            let Some(requested) = again else { return ended };
            let pause = requested.max(jittered(wait));
            if began.elapsed() + pause > request.retrying.budget {
                return ended;
            }
            tokio::time::sleep(pause).await;
            wait *= 2;
            let left = request.retrying.budget.saturating_sub(began.elapsed());
            limit = request.timeout.min(left.max(MIN_ATTEMPT_TIMEOUT));
        }
    }

    async fn call_once(&self, request: &Request) -> Result<Answer, HttpError> {
        let failed = |error: &reqwest::Error| HttpError::from_reqwest(&request.url, error);
        tracing::debug!("asks {} {}", request.method, host_and_path(&request.url));
        let client = if goes_direct(&request.url) { self.direct(&request.url)? } else { self.calling(&request.url)? };
        let mut builder = client.request(request.method.clone(), request.url.clone()).headers(request.headers.clone());
        if !request.body.is_empty() || request.method == Method::POST {
            builder = builder.body(request.body.to_vec());
        }
        let answer = builder.send().await.map_err(|error| failed(&error))?;
        let (status, headers): (StatusCode, HeaderMap) = (answer.status(), answer.headers().clone());
        // Allocated once: a buffer that grows leaves copies in memory that are not wiped.
        let announced = answer.content_length().and_then(|length| usize::try_from(length).ok()).unwrap_or_default();
        let mut body = Zeroizing::new(Vec::with_capacity(announced.min(request.limit).min(MAX_INITIAL_CAPACITY)));
        let mut pieces = answer.bytes_stream();
        while let Some(piece) = pieces.next().await {
            let piece = piece.map_err(|error| HttpError::while_reading(&request.url, body.len() as u64, &error))?;
            body.extend_from_slice(&piece);
            if body.len() > request.limit {
                return Err(HttpError::new(&request.url, HttpProblem::TooLarge { limit: request.limit as u64 }));
            }
        }
        if status.is_success() && is_announced(&request.url, &headers) && is_web_page(&body) && !request.any_content {
            return Err(HttpError::new(&request.url, HttpProblem::WebPage));
        }
        Ok(Answer { status: status.as_u16(), body, headers })
    }
}

/// Adds up to half of the wait, so that nodes that failed together do not retry together.
fn jittered(wait: Duration) -> Duration {
    wait.mul_f64(1.0 + fastrand::f64() / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        http::{answer::MAX_WAIT, request::RetryPolicy},
        redact::Secret,
        test_server::{TestServer, reply},
    };

    const PATIENT: RetryPolicy =
        RetryPolicy { budget: Duration::from_secs(5), statuses: &[429, 503], first: Duration::from_millis(1) };

    /// Answers each request with the next of these heads.
    fn server(heads: &[&str]) -> TestServer {
        TestServer::replying(heads.iter().map(|head| reply(head, "{}")).collect())
    }

    #[tokio::test]
    async fn an_overloaded_server_is_retried_and_other_statuses_are_returned() {
        let server = server(&["503 Busy", "429 Slow down\r\nretry-after: 0", "403 Forbidden"]);
        let answer =
            Client::default().call(&Request::get(server.url.clone()).retrying(PATIENT)).await.expect("an answer");
        assert_eq!((answer.status, server.requests().len()), (403, 3));
    }

    #[tokio::test]
    async fn a_wait_longer_than_the_budget_ends_the_retries() {
        let server = server(&["429 Slow down\r\nretry-after: 3600"]);
        let answer =
            Client::default().call(&Request::get(server.url.clone()).retrying(PATIENT)).await.expect("an answer");
        assert_eq!((answer.status, server.requests().len()), (429, 1));
    }

    #[tokio::test]
    async fn a_very_large_retry_after_does_not_overflow() {
        let server = server(&["429 Slow down\r\nretry-after: 18446744073709551615"]);
        let answer =
            Client::default().call(&Request::get(server.url.clone()).retrying(PATIENT)).await.expect("an answer");
        assert_eq!((answer.status, server.requests().len()), (429, 1));
        assert_eq!(answer.retry_after(), Some(MAX_WAIT));
    }

    #[tokio::test]
    async fn a_token_is_not_sent_in_plain_text_to_another_machine() {
        let request = Request::get("http://example.org/".parse().expect("an address")).bearer(&Secret::new(vec![b'x']));
        let error = Client::default().call(&request).await.expect_err("refused");
        assert!(matches!(error.problem, HttpProblem::PlainText));
    }

    #[tokio::test]
    async fn a_metadata_token_stays_on_the_machines_own_link() {
        let get = |url: &str| Request::get(url.parse().expect("an address"));
        let request = get("http://192.0.2.1/").link_credential("x-token", &Secret::new(vec![b'x']));
        let error = Client::default().call(&request).await.expect_err("refused");
        assert!(matches!(error.problem, HttpProblem::PlainText));
        for url in ["http://169.254.169.254/", "http://[fd00:ec2::254]/", "http://127.0.0.1/", "http://localhost/"] {
            assert!(goes_direct(get(url).url()), "{url}");
        }
        for url in ["http://[fd00:ec2::1]/", "http://169.254.169.254.example.org/", "http://localhost.example.org/"] {
            assert!(!goes_direct(get(url).url()), "{url}");
        }
    }

    #[tokio::test]
    async fn a_header_with_an_invalid_value_is_an_error() {
        let server = server(&["200 OK"]);
        let request = Request::get(server.url.clone()).bearer(&Secret::new(b"two\nlines".to_vec()));
        let error = Client::default().call(&request).await.expect_err("not sent");
        assert!(matches!(error.problem, HttpProblem::Unsendable("authorization")));
        assert_eq!(server.requests().len(), 0);
    }

    #[tokio::test]
    async fn calls_do_not_follow_redirects() {
        let server = server(&["302 Found\r\nlocation: http://example.org/"]);
        let answer = Client::default().call(&Request::get(server.url.clone())).await.expect("an answer");
        assert_eq!((answer.status, answer.header("location")), (302, Some("http://example.org/")));
        assert_eq!(server.requests().len(), 1);
    }

    #[tokio::test]
    async fn a_web_page_is_no_answer_of_a_service() {
        let page = "<html><body>Log in to the guest network</body></html>";
        let portal = TestServer::start(move |_, _| reply("200 OK\r\ncontent-type: text/html; charset=utf-8", page));
        let request = Request::get(portal.url.clone()).retrying(PATIENT);
        let error = Client::default().call(&request).await.expect_err("a web page");
        assert!(matches!(error.problem, HttpProblem::WebPage));
        assert_eq!(portal.requests().len(), 1);
        let answer = Client::default().call(&request.any_content()).await.expect("any content");
        assert_eq!(answer.body.as_slice(), page.as_bytes());
    }

    #[tokio::test]
    async fn an_answer_over_the_limit_is_an_error() {
        let server = server(&["200 OK"]);
        let error = Client::default().call(&Request::get(server.url.clone()).limit(1)).await.expect_err("too large");
        assert!(matches!(error.problem, HttpProblem::TooLarge { limit: 1 }));
    }
}
