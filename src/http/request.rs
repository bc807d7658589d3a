//! A request for one complete answer.

use std::{fmt, time::Duration};

use reqwest::{
    Method,
    header::{HeaderMap, HeaderName, HeaderValue, InvalidHeaderValue},
};
use secrecy::zeroize::Zeroizing;
use serde::Serialize;
use url::Url;

use super::address::without_credentials;
use crate::redact::Secret;

/// The default limit of an answer, in bytes.
const LIMIT: usize = 16 << 20;

/// How a call is retried after a transient failure.
#[derive(Debug, Clone, Copy)]
pub struct RetryPolicy {
    /// The time for all tries, including the waits. The first try always has its full time.
    pub budget: Duration,
    /// The statuses that are retried. A broken connection is always retried.
    pub statuses: &'static [u16],
    /// The first wait. Each wait is twice as long as the one before, with jitter. A longer wait that the server asks
    /// for takes precedence.
    pub first: Duration,
}

impl RetryPolicy {
    /// No retries.
    pub const NEVER: Self = Self { budget: Duration::ZERO, statuses: &[], first: Duration::ZERO };
}

/// A request for one complete answer.
#[derive(Clone)]
pub struct Request {
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) headers: HeaderMap,
    pub(super) body: Zeroizing<Vec<u8>>,
    pub(super) limit: usize,
    pub(super) timeout: Duration,
    pub(super) retrying: RetryPolicy,
    pub(super) has_credential: bool,
    /// Whether the answer may be a web page.
    pub(super) any_content: bool,
    /// The name of a header with an invalid value.
    pub(super) unsendable: Option<&'static str>,
    /// Whether the credential is one of the machine's own link, so that it may go there in plain text.
    pub(super) stays_on_link: bool,
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Request({} {})", self.method, without_credentials(&self.url))
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
            any_content: false,
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

    /// A `POST` of bytes.
    pub fn post(url: Url, content_type: &'static str, body: Vec<u8>) -> Self {
        Self { body: Zeroizing::new(body), ..Self::new(Method::POST, url) }.header("content-type", content_type)
    }

    /// A `POST` of a form.
    pub fn form(url: Url, fields: &[(&str, &str)]) -> Self {
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        // A form for a token endpoint contains a credential.
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

    /// Sets a header. With an invalid value, such as one of two lines, the request is not sent.
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

    /// Sets a header that contains a credential. The value is not printed, and not sent in plain text to another
    /// machine.
    #[must_use]
    pub fn credential(self, name: &'static str, value: &[u8]) -> Self {
        let value = HeaderValue::from_bytes(value).map(|mut value| {
            value.set_sensitive(true);
            value
        });
        Self { has_credential: true, ..self.with(name, value) }
    }

    /// Like [`Request::credential`], for a metadata service on the machine's own link, which uses plain http.
    #[must_use]
    pub fn link_credential(self, name: &'static str, value: &Secret) -> Self {
        Self { stays_on_link: true, ..self.credential(name, value.reveal()) }
    }

    /// Sets a bearer token.
    #[must_use]
    pub fn bearer(self, token: &Secret) -> Self {
        let value = Zeroizing::new([b"Bearer ", token.reveal()].concat());
        self.credential("authorization", &value)
    }

    /// Marks the body as a credential, which may not be sent in plain text to another machine.
    #[must_use]
    pub fn secret_body(self) -> Self {
        Self { has_credential: true, ..self }
    }

    /// Accepts a web page as an answer. Without this, a page with status 2xx is an error unless the address names one.
    #[must_use]
    pub fn any_content(self) -> Self {
        Self { any_content: true, ..self }
    }

    /// Sets the largest size of the answer, in bytes.
    #[must_use]
    pub fn limit(self, limit: usize) -> Self {
        Self { limit, ..self }
    }

    /// Sets the time limit of one try, until the end of the answer.
    #[must_use]
    pub fn timeout(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    /// Sets the retry policy.
    #[must_use]
    pub fn retrying(self, retrying: RetryPolicy) -> Self {
        Self { retrying, ..self }
    }

    /// Whether the request changes nothing on the server, so that it may be sent twice.
    pub fn only_reads(&self) -> bool {
        self.method.is_safe()
    }

    /// The address.
    pub fn url(&self) -> &Url {
        &self.url
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_of_a_request_does_not_contain_credentials() {
        let request =
            Request::get("https://u:p@example.org/x".parse().expect("an address")).bearer(&Secret::new(vec![1]));
        assert_eq!(format!("{request:?}"), "Request(GET https://example.org/x)");
    }
}
