//! Network errors, and whether a retry can help.

use std::{error::Error as _, sync::LazyLock};

use jiff::Timestamp;
use regex::Regex;
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
    /// The connection ended before the whole answer was received.
    #[error("the connection ended after {received} bytes of the answer: {why}")]
    CutOff {
        /// Received bytes.
        received: u64,
        /// The error of the connection.
        why: String,
    },
    /// The server sends too slowly.
    #[error("the server sent only {bytes} bytes in {seconds} s")]
    TooSlow {
        /// Received bytes.
        bytes: u64,
        /// The time that they took.
        seconds: u64,
    },
    /// The server answered with a web page that was not requested.
    #[error("the server answered with a web page instead of the requested content")]
    WebPage,
    /// The server's certificate is not valid at the time of the node's clock.
    #[error("{0}")]
    Clock(String),
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
            None if is_dns_error(error) => {
                let why = cause_chain(error);
                let name = url.host_str().unwrap_or_default();
                let is_named = why.ends_with("(DNS)");
                HttpProblem::Connection(if is_named { why } else { format!("DNS gave no address of `{name}`: {why}") })
            }
            None if error.is_timeout() => HttpProblem::Silence,
            None => {
                let why = cause_chain(error);
                // No error type of rustls is reachable from here.
                match clock_error(&why) {
                    Some(text) => HttpProblem::Clock(text),
                    None if why.contains("certificate") => HttpProblem::Untrusted(why),
                    None => HttpProblem::Connection(why),
                }
            }
        };
        Self::new(url, problem)
    }

    /// The error of a connection that broke after some bytes of the answer.
    pub(super) fn while_reading(url: &Url, received: u64, error: &reqwest::Error) -> Self {
        let failed = Self::from_reqwest(url, error);
        match failed.problem {
            HttpProblem::Connection(why) => Self { problem: HttpProblem::CutOff { received, why }, ..failed },
            _ => failed,
        }
    }

    /// Whether a retry can help.
    pub fn is_transient(&self) -> bool {
        match &self.problem {
            HttpProblem::Status(status) => matches!(status, 408 | 425 | 429 | 500 | 502 | 503 | 504),
            // An answer may be truncated, and a mirror may be in the middle of an update.
            HttpProblem::Connection(_)
            | HttpProblem::Silence
            | HttpProblem::CutOff { .. }
            | HttpProblem::TooSlow { .. }
            | HttpProblem::WrongSize { .. }
            | HttpProblem::WrongDigest { .. } => true,
            // These errors are permanent.
            HttpProblem::Untrusted(_)
            | HttpProblem::WebPage
            | HttpProblem::Clock(_)
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
            HttpProblem::Connection(_) | HttpProblem::Silence | HttpProblem::TooSlow { .. } => {
                Some("check that the node reaches the server (address, proxy, firewall)".into())
            }
            HttpProblem::CutOff { .. } => {
                Some("check the connection to the server; a proxy or firewall may limit the size of answers".into())
            }
            HttpProblem::WebPage => Some(WEB_PAGE_HINT.into()),
            HttpProblem::Clock(_) => Some(CLOCK_HINT.into()),
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

/// The hint for a web page in place of the requested content.
pub const WEB_PAGE_HINT: &str = "open the address from this node (`curl -L`): a captive portal or a proxy that wants a login \
                                 answers with its own page; set the proxy (`HTTPS_PROXY`), or correct the address";
/// The hint for a certificate that is not valid at the time of the node's clock.
pub const CLOCK_HINT: &str = "compare the node's clock (`date -u`) with the real time and correct it; if it is right, the \
                              server needs a new certificate";

/// The message for a certificate that is not valid at the present time, from an error of rustls.
fn clock_error(why: &str) -> Option<String> {
    static PATTERN: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"certificate (?:expired|not valid yet): verification time (\d+) \(UNIX\), but certificate is not valid (after|before) (\d+)")
            .expect("the pattern is fixed")
    });
    let found = PATTERN.captures(why)?;
    let time =
        |index: usize| Some(Timestamp::from_second(found[index].parse().ok()?).ok()?.strftime("%F %T UTC").to_string());
    let bound = if &found[2] == "after" { "until" } else { "from" };
    Some(format!(
        "the server's certificate is valid {bound} {}, and the node's clock says {}; the clock may be wrong",
        time(3)?,
        time(1)?
    ))
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

/// Whether a name could not be resolved.
fn is_dns_error(error: &reqwest::Error) -> bool {
    let mut next = error.source();
    while let Some(cause) = next {
        // The error type of hyper-util is private.
        if cause.to_string() == "dns error" {
            return true;
        }
        next = cause.source();
    }
    false
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
    fn a_certificate_of_another_time_names_the_clock() {
        let expired = "invalid peer certificate: certificate expired: verification time 1796000000 (UNIX), but certificate is \
                       not valid after 1700000000 (96000000 seconds ago)";
        assert_eq!(
            clock_error(expired).as_deref(),
            Some(
                "the server's certificate is valid until 2023-11-14 22:13:20 UTC, and the node's clock says 2026-11-30 \
                 00:53:20 UTC; the clock may be wrong"
            )
        );
        let early =
            "certificate not valid yet: verification time 1 (UNIX), but certificate is not valid before 1700000000 (x)";
        assert!(clock_error(early).is_some_and(|text| text.contains("valid from 2023-11-14")));
        assert_eq!(clock_error("invalid peer certificate: UnknownIssuer"), None);
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
