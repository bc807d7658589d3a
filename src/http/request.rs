//! Calls of an interface: one request, one whole answer whatever its status, retried as the service documents it.
//!
//! A credential is never sent in plain text to another machine, and no redirect is followed: an answer may not choose
//! who gets a token.

use std::{
    fmt,
    net::Ipv6Addr,
    time::{Duration, Instant},
};

use futures::StreamExt as _;
use reqwest::{
    Method, StatusCode,
    header::{HeaderMap, HeaderName, HeaderValue, InvalidHeaderValue},
};
use secrecy::zeroize::Zeroizing;
use serde::{Serialize, de::DeserializeOwned};
use url::{Host, Url};

use super::{Client, HttpError, HttpProblem};
use crate::redact::{Secret, is_loopback};

/// What AWS has on an instance's own link under addresses that say nothing of it: instance and pod metadata.
const LINK_OF_AWS: [Ipv6Addr; 2] =
    [Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254), Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x23)];
/// The largest answer of a call unless it says otherwise.
const LIMIT: usize = 16 << 20;
/// The longest wait that a server is taken to have asked for.
const LONGEST_WAIT: Duration = Duration::from_secs(24 * 60 * 60);
/// A try that has less time than this would only hide why the one before failed.
const SHORTEST_TRY: Duration = Duration::from_secs(1);
/// The most room that is made for an answer because it says so.
const AT_FIRST: usize = 1 << 20;

/// How a call goes on after a failure that may pass.
#[derive(Debug, Clone, Copy)]
pub struct RetryPolicy {
    /// All tries together, waits included. The first try always has its whole time.
    pub budget: Duration,
    /// The statuses that are worth another try. A connection that broke always is.
    pub statuses: &'static [u16],
    /// The first wait; each further one is twice as long, with jitter. What the server asks for counts for more.
    pub first: Duration,
}

impl RetryPolicy {
    /// One try.
    pub const NEVER: Self = Self { budget: Duration::ZERO, statuses: &[], first: Duration::ZERO };
}

/// A request that expects one whole answer.
#[derive(Clone)]
pub struct Request {
    method: Method,
    url: Url,
    headers: HeaderMap,
    body: Zeroizing<Vec<u8>>,
    limit: usize,
    timeout: Duration,
    retrying: RetryPolicy,
    has_credential: bool,
    /// A header whose value cannot be sent.
    unsendable: Option<&'static str>,
    /// Whether the credential is one of the machine's own link, and no other may see it.
    stays_on_link: bool,
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Request({} {})", self.method, super::error::without_credentials(&self.url))
    }
}

impl Request {
    fn new(method: Method, url: Url) -> Self {
        Self {
            method,
            url,
            headers: HeaderMap::new(),
            body: Zeroizing::default(),
            limit: LIMIT,
            timeout: Duration::from_secs(30),
            retrying: RetryPolicy::NEVER,
            has_credential: false,
            unsendable: None,
            stays_on_link: false,
        }
    }

    /// A `GET`.
    pub fn get(url: Url) -> Self {
        Self::new(Method::GET, url)
    }

    /// A `HEAD`.
    pub fn head(url: Url) -> Self {
        Self::new(Method::HEAD, url)
    }

    /// A `POST` of these bytes.
    pub fn post(url: Url, content_type: &'static str, body: Vec<u8>) -> Self {
        Self { body: Zeroizing::new(body), ..Self::new(Method::POST, url) }.header("content-type", content_type)
    }

    /// A `POST` of a form.
    pub fn form(url: Url, fields: &[(&str, &str)]) -> Self {
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        // A form to a token endpoint holds what it is exchanged for.
        Self { has_credential: true, ..Self::post(url, "application/x-www-form-urlencoded", body.into_bytes()) }
    }

    /// A `POST` of a value as JSON.
    pub fn json(url: Url, value: &impl Serialize) -> Self {
        Self::post(url, "application/json", serde_json::to_vec(value).expect("our own types can be written"))
    }

    /// A `PUT` without a body.
    pub fn put(url: Url) -> Self {
        Self::new(Method::PUT, url)
    }

    /// Sets a header. A request with a value that no header can have, such as one of two lines, is not sent.
    #[must_use]
    pub fn header(self, name: &'static str, value: &str) -> Self {
        self.with(name, HeaderValue::from_str(value))
    }

    fn with(mut self, name: &'static str, value: Result<HeaderValue, InvalidHeaderValue>) -> Self {
        match value {
            Ok(value) => drop(self.headers.insert(HeaderName::from_static(name), value)),
            Err(_) => self.unsendable = Some(name),
        }
        self
    }

    /// Sets a header that nobody may see and that may not be sent in plain text to another machine.
    #[must_use]
    pub fn credential(self, name: &'static str, value: &[u8]) -> Self {
        let value = HeaderValue::from_bytes(value).map(|mut value| {
            value.set_sensitive(true);
            value
        });
        Self { has_credential: true, ..self.with(name, value) }
    }

    /// The same for a metadata service on the machine's own link, which speaks plain http. In plain text it goes there
    /// and to loopback only.
    #[must_use]
    pub fn link_credential(self, name: &'static str, value: &Secret) -> Self {
        Self { stays_on_link: true, ..self.credential(name, value.reveal()) }
    }

    /// Shows a bearer token.
    #[must_use]
    pub fn bearer(self, token: &Secret) -> Self {
        let value = Zeroizing::new([b"Bearer ", token.reveal()].concat());
        self.credential("authorization", &value)
    }

    /// Says that the body is a credential itself, and may not be sent in plain text to another machine.
    #[must_use]
    pub fn secret_body(self) -> Self {
        Self { has_credential: true, ..self }
    }

    /// Bounds the answer, in bytes.
    #[must_use]
    pub fn limit(self, limit: usize) -> Self {
        Self { limit, ..self }
    }

    /// Bounds one try, from the request to the end of its answer.
    #[must_use]
    pub fn timeout(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    /// What is tried again, and for how long.
    #[must_use]
    pub fn retrying(self, retrying: RetryPolicy) -> Self {
        Self { retrying, ..self }
    }

    /// Whether it changes nothing there, so that it may be sent twice.
    pub fn only_reads(&self) -> bool {
        self.method.is_safe()
    }

    /// Where it goes.
    pub fn url(&self) -> &Url {
        &self.url
    }
}

/// What a server answered, whatever its status.
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The whole body. It may hold a token or a secret: it is wiped when dropped.
    pub body: Zeroizing<Vec<u8>>,
    headers: HeaderMap,
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Answer({}, {} bytes)", self.status, self.body.len())
    }
}

impl Answer {
    /// Whether the status is one of success.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The body, for one that is no secret: it is not wiped any more.
    pub fn into_body(mut self) -> Vec<u8> {
        std::mem::take(&mut *self.body)
    }

    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The body as JSON of a known shape.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_slice(&self.body)
    }

    /// How long the server asks to wait: seconds or a date.
    fn retry_after(&self) -> Option<Duration> {
        let value = self.header("retry-after")?;
        if let Ok(seconds) = value.trim().parse::<u64>() {
            // Whoever asks for more than a day is not waited for; a sum with it must not overflow.
            return Some(Duration::from_secs(seconds).min(LONGEST_WAIT));
        }
        let date = jiff::fmt::rfc2822::parse(value).ok()?.timestamp();
        let wait: Duration = date.duration_since(jiff::Timestamp::now()).try_into().unwrap_or_default();
        Some(wait.min(LONGEST_WAIT))
    }
}

impl Client {
    /// Sends a request and returns the whole answer, whatever its status. Tries again as the request says.
    pub async fn call(&self, request: &Request) -> Result<Answer, HttpError> {
        if let Some(name) = request.unsendable {
            return Err(HttpError::new(&request.url, HttpProblem::Unsendable(name)));
        }
        let may_read = is_loopback(&request.url) || request.stays_on_link && is_link_local(&request.url);
        if request.has_credential && request.url.scheme() != "https" && !may_read {
            return Err(HttpError::new(&request.url, HttpProblem::PlainText));
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
            let Some(asked) = again else { return ended };
            let pause = asked.max(jittered(wait));
            if began.elapsed() + pause > request.retrying.budget {
                return ended;
            }
            tokio::time::sleep(pause).await;
            wait *= 2;
            let left = request.retrying.budget.saturating_sub(began.elapsed());
            limit = request.timeout.min(left.max(SHORTEST_TRY));
        }
    }

    async fn call_once(&self, request: &Request) -> Result<Answer, HttpError> {
        let failed = |error: &reqwest::Error| HttpError::from_reqwest(&request.url, error);
        tracing::debug!("asks {} {}", request.method, super::error::place(&request.url));
        let client = if goes_direct(&request.url) { self.direct(&request.url)? } else { self.calling(&request.url)? };
        let mut builder = client.request(request.method.clone(), request.url.clone()).headers(request.headers.clone());
        if !request.body.is_empty() || request.method == Method::POST {
            builder = builder.body(request.body.to_vec());
        }
        let answer = builder.send().await.map_err(|error| failed(&error))?;
        let (status, headers): (StatusCode, HeaderMap) = (answer.status(), answer.headers().clone());
        // Of the size that is announced: what grows leaves copies behind.
        let announced = answer.content_length().and_then(|length| usize::try_from(length).ok()).unwrap_or_default();
        let mut body = Zeroizing::new(Vec::with_capacity(announced.min(request.limit).min(AT_FIRST)));
        let mut pieces = answer.bytes_stream();
        while let Some(piece) = pieces.next().await {
            body.extend_from_slice(&piece.map_err(|error| failed(&error))?);
            if body.len() > request.limit {
                return Err(HttpError::new(&request.url, HttpProblem::TooLarge { limit: request.limit as u64 }));
            }
        }
        Ok(Answer { status: status.as_u16(), body, headers })
    }
}

/// Up to half as long again: nodes that failed together do not come back together.
fn jittered(wait: Duration) -> Duration {
    wait.mul_f64(1.0 + fastrand::f64() / 2.0)
}

/// Whether an address is of this machine or its own link: no proxy may stand between, or what may go there in plain
/// text could be read at the proxy.
pub(super) fn goes_direct(url: &Url) -> bool {
    is_loopback(url) || is_link_local(url)
}

/// Whether an address is of the machine's own link, such as a cloud's metadata service.
fn is_link_local(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(ip)) => ip.is_link_local(),
        Some(Host::Ipv6(ip)) => ip.is_unicast_link_local() || LINK_OF_AWS.contains(&ip),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::{BufRead as _, BufReader, Write as _},
        net::TcpListener,
        sync::{
            Arc,
            atomic::{AtomicUsize, Ordering},
        },
    };

    use super::*;

    const PATIENT: RetryPolicy =
        RetryPolicy { budget: Duration::from_secs(5), statuses: &[429, 503], first: Duration::from_millis(1) };

    /// Answers each request with the next of these heads, and counts them.
    fn server(heads: &'static [&'static str]) -> (Url, Arc<AtomicUsize>) {
        let server = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let url = format!("http://{}/", server.local_addr().expect("bound")).parse().expect("an address");
        let asked = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&asked);
        std::thread::spawn(move || {
            for head in heads {
                let (mut stream, _) = server.accept().expect("a request");
                let lines = BufReader::new(stream.try_clone().expect("a second handle")).lines();
                let _ = lines.map_while(Result::ok).take_while(|line| !line.is_empty()).count();
                count.fetch_add(1, Ordering::SeqCst);
                write!(stream, "HTTP/1.1 {head}\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{{}}")
                    .expect("answered");
            }
        });
        (url, asked)
    }

    #[tokio::test]
    async fn an_overloaded_server_is_asked_again_and_an_answer_is_an_answer_whatever_its_status() {
        let (url, asked) = server(&["503 Busy", "429 Slow down\r\nretry-after: 0", "403 Forbidden"]);
        let answer = Client::default().call(&Request::get(url).retrying(PATIENT)).await.expect("an answer");
        assert_eq!((answer.status, asked.load(Ordering::SeqCst)), (403, 3));
    }

    #[tokio::test]
    async fn a_wait_beyond_the_budget_is_not_begun() {
        let (url, asked) = server(&["429 Slow down\r\nretry-after: 3600"]);
        let answer = Client::default().call(&Request::get(url).retrying(PATIENT)).await.expect("an answer");
        assert_eq!((answer.status, asked.load(Ordering::SeqCst)), (429, 1));
    }

    #[tokio::test]
    async fn a_wait_that_no_clock_can_hold_is_no_panic() {
        let (url, asked) = server(&["429 Slow down\r\nretry-after: 18446744073709551615"]);
        let answer = Client::default().call(&Request::get(url).retrying(PATIENT)).await.expect("an answer");
        assert_eq!((answer.status, asked.load(Ordering::SeqCst)), (429, 1));
        assert_eq!(answer.retry_after(), Some(LONGEST_WAIT));
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
    async fn what_no_header_can_hold_is_not_left_out_in_silence() {
        let (url, asked) = server(&["200 OK"]);
        let request = Request::get(url).bearer(&Secret::new(b"two\nlines".to_vec()));
        let error = Client::default().call(&request).await.expect_err("not sent");
        assert!(matches!(error.problem, HttpProblem::Unsendable("authorization")));
        assert_eq!(asked.load(Ordering::SeqCst), 0);
    }

    #[tokio::test]
    async fn a_redirect_is_an_answer_and_is_not_followed() {
        let (url, asked) = server(&["302 Found\r\nlocation: http://example.org/"]);
        let answer = Client::default().call(&Request::get(url)).await.expect("an answer");
        assert_eq!((answer.status, answer.header("location")), (302, Some("http://example.org/")));
        assert_eq!(asked.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn an_endless_answer_is_cut_off() {
        let (url, _) = server(&["200 OK"]);
        let error = Client::default().call(&Request::get(url).limit(1)).await.expect_err("too large");
        assert!(matches!(error.problem, HttpProblem::TooLarge { limit: 1 }));
    }

    #[test]
    fn what_is_asked_is_shown_without_credentials() {
        let request =
            Request::get("https://u:p@example.org/x".parse().expect("an address")).bearer(&Secret::new(vec![1]));
        assert_eq!(format!("{request:?}"), "Request(GET https://example.org/x)");
    }
}
