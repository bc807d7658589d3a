//! Network errors, and whether a retry can help.

use std::error::Error as _;

use url::Url;

use super::{address::without_credentials, bucket_error::BucketError, redirect::RedirectError};
use crate::{digest::Digest, fs::FsError};

/// A request that failed, after all retries.
#[derive(Debug, thiserror::Error)]
#[error("`{url}` could not be fetched")]
pub struct HttpError {
    /// The address, without user name, password and query.
    pub url: String,
    /// The cause.
    #[source]
    pub problem: HttpProblem,
    /// The name of the login that was used.
    pub login: Option<String>,
}

/// The cause of a failed request.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HttpProblem {
    /// The server answered with an error status.
    #[error("the server answered with status {0}")]
    Status(u16),
    /// The connection failed or broke.
    #[error("{0}")]
    Connection(String),
    /// The server's certificate is not trusted.
    #[error("{0}")]
    Untrusted(String),
    /// The server did not answer in time.
    #[error("the server did not answer in time")]
    Silence,
    /// The size differs from the announced one.
    #[error("expected {expected} bytes, received {received}")]
    WrongSize {
        /// Announced bytes.
        expected: u64,
        /// Received bytes.
        received: u64,
    },
    /// The digest differs from the expected one.
    #[error("expected {expected}, received {received}")]
    WrongDigest {
        /// The digest in the profile or the index.
        expected: Digest,
        /// The digest of the received bytes.
        received: Digest,
    },
    /// The answer exceeds the limit.
    #[error("the answer is larger than {limit} bytes")]
    TooLarge {
        /// The limit in bytes.
        limit: u64,
    },
    /// A credential would have been sent in plain text.
    #[error("a credential is not sent over plain http to another machine")]
    PlainText,
    /// A header value is invalid, for example because it has several lines.
    #[error("the value of the header `{0}` cannot be sent")]
    Unsendable(&'static str),
    /// A `file:` address that cannot be read.
    #[error("{0}")]
    File(String),
    /// The download could not be stored.
    #[error("the download could not be stored")]
    Disk(#[source] FsError),
    /// A redirect that is not followed.
    #[error(transparent)]
    Redirect(RedirectError),
    /// A bucket did not serve the object.
    #[error("{0}")]
    Bucket(BucketError),
    /// The HTTP client could not be built.
    #[error("the network client could not be set up: {0}")]
    Client(String),
}

impl HttpError {
    pub(crate) fn new(url: &Url, problem: HttpProblem) -> Self {
        // The query of an address may contain a credential, such as a signature.
        let mut shown = url.clone();
        shown.set_query(None);
        Self { url: without_credentials(&shown), problem, login: None }
    }

    pub(super) fn from_reqwest(url: &Url, error: &reqwest::Error) -> Self {
        let problem = match redirect(error) {
            Some(redirect) => HttpProblem::Redirect(redirect),
            None if error.is_timeout() => HttpProblem::Silence,
            None => {
                let why = cause_chain(error);
                // No error type of rustls is reachable from here.
                if why.contains("certificate") { HttpProblem::Untrusted(why) } else { HttpProblem::Connection(why) }
            }
        };
        Self::new(url, problem)
    }

    /// Whether a retry can help.
    pub fn is_transient(&self) -> bool {
        match &self.problem {
            HttpProblem::Status(status) => matches!(status, 408 | 425 | 429 | 500 | 502 | 503 | 504),
            // An answer may be truncated, and a mirror may be in the middle of an update.
            HttpProblem::Connection(_)
            | HttpProblem::Silence
            | HttpProblem::WrongSize { .. }
            | HttpProblem::WrongDigest { .. } => true,
            // These errors are permanent.
            HttpProblem::Untrusted(_)
            | HttpProblem::TooLarge { .. }
            | HttpProblem::PlainText
            | HttpProblem::Unsendable(_)
            | HttpProblem::Redirect(_)
            | HttpProblem::File(_)
            | HttpProblem::Disk(_)
            // `object_store` has retried them.
            | HttpProblem::Bucket(_)
            | HttpProblem::Client(_) => false,
        }
    }

    /// Whether the resource does not exist.
    pub fn is_absent(&self) -> bool {
        matches!(self.problem, HttpProblem::Status(404 | 410) | HttpProblem::File(_))
    }

    /// A hint for the user.
    pub fn hint(&self) -> Option<String> {
        match &self.problem {
            HttpProblem::Status(status @ (401 | 403)) => Some(login_hint(*status, &self.url, self.login.as_deref())),
            HttpProblem::Status(404) => Some("check the address".into()),
            HttpProblem::Untrusted(_) => {
                Some("the server's certificate is not trusted; add its authority to the node's CA certificates".into())
            }
            HttpProblem::Connection(_) | HttpProblem::Silence => {
                Some("check that the node reaches the server (address, proxy, firewall)".into())
            }
            HttpProblem::WrongDigest { .. } => {
                Some("the file is not the one in the index or the profile; check the source before you trust it".into())
            }
            HttpProblem::TooLarge { .. } => Some("check the address: nodeagent accepts no larger file there".into()),
            HttpProblem::PlainText => Some("write the address with https".into()),
            HttpProblem::Unsendable(_) => {
                Some("check the token or password: it must be one line without control characters".into())
            }
            HttpProblem::Redirect(_) => Some("use the final address, if you trust it".into()),
            HttpProblem::Disk(error) => error.hint(),
            HttpProblem::Bucket(BucketError::Denied(_)) => {
                Some("grant the cloud identity of the node read access to the object".into())
            }
            _ => None,
        }
    }
}

/// The redirect error in the chain of causes.
fn redirect(error: &reqwest::Error) -> Option<RedirectError> {
    let mut next = error.source();
    while let Some(cause) = next {
        if let Some(redirect) = cause.downcast_ref::<RedirectError>() {
            return Some(*redirect);
        }
        next = cause.source();
    }
    None
}

/// An error and its causes, in one line. reqwest's own text has only the outermost error.
pub(super) fn cause_chain(error: &reqwest::Error) -> String {
    let mut causes = Vec::new();
    let mut next = error.source();
    while let Some(cause) = next {
        causes.push(cause.to_string());
        next = cause.source();
    }
    let last = causes.pop().unwrap_or_else(|| error.to_string());
    unknown_name(&last).map(|name| format!("the name `{name}` is not known (DNS)")).unwrap_or(last)
}

/// A hint for a request that the server refused, for the login that was used.
pub(super) fn login_hint(status: u16, url: &str, login: Option<&str>) -> String {
    match (login, status) {
        (Some(login), 401) => format!("the server rejected the login {login}; check its user and its password"),
        (Some(login), _) => {
            format!("the server denied access to the login {login}; check its password and the permissions of its user")
        }
        (None, _) => {
            let origin = Url::parse(url).ok().and_then(|url| url.join("/").ok());
            let origin = origin.map_or_else(|| "https://…/".to_owned(), String::from);
            format!(
                "the server requires a login, and no entry of `[[logins]]` matches the address: add one with \
                 `url = \"{origin}\"`, a `user` and the `key` of the password in `[secrets]`; or a proxy refused the request"
            )
        }
    }
}

/// The host name in a resolver error such as `no records found for Query { name: Name("x.invalid."), query_type: …`.
fn unknown_name(message: &str) -> Option<&str> {
    let (_, rest) = message.strip_prefix("no records found for ").and_then(|rest| rest.split_once("Name(\""))?;
    rest.split_once('"').map(|(name, _)| name.trim_end_matches('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_host_name_is_extracted_from_the_resolver_error() {
        let message = "no records found for Query { name: Name(\"x.invalid.\"), query_type: AAAA, query_class: IN }";
        assert_eq!(unknown_name(message), Some("x.invalid"));
        assert_eq!(unknown_name("connection refused"), None);
    }

    #[test]
    fn credentials_in_an_address_are_not_shown() {
        let url = Url::parse("https://user:pass@example.org/simple/").expect("an address");
        let error = HttpError::new(&url, HttpProblem::Status(404));
        assert_eq!(error.to_string(), "`https://example.org/simple/` could not be fetched");
        let signed = Url::parse("https://store.example.org/x.whl?X-Amz-Signature=4711").expect("an address");
        let error = HttpError::new(&signed, HttpProblem::Silence);
        assert_eq!(error.to_string(), "`https://store.example.org/x.whl` could not be fetched");
    }

    #[test]
    fn only_transient_errors_are_retried() {
        let url = Url::parse("https://example.org/").expect("an address");
        let transient = |status| HttpError::new(&url, HttpProblem::Status(status)).is_transient();
        assert!(transient(503) && transient(429));
        assert!(!transient(404) && !transient(403));
        let broken = |why: &str| HttpError::new(&url, HttpProblem::Connection(why.into())).is_transient();
        assert!(broken("connection refused"));
        assert!(!HttpError::new(&url, HttpProblem::Untrusted("invalid peer certificate".into())).is_transient());
    }
}
