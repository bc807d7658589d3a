//! The addresses that may receive a credential.

use std::fmt;

use url::{Host, Url};

/// All addresses with the same scheme, host and port and with this beginning of the path.
///
/// The scheme is https, or the host is this machine, so that a credential is never sent in plain text over a network.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct UrlPrefix(Url);

/// Why a text is not a valid prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UrlPrefixError {
    /// It cannot be parsed, or has another scheme.
    #[error("it is not an address that begins with `https://`")]
    NotHttps,
    /// It would be requested in plain text over the network.
    #[error("a password is not sent over plain http to another machine")]
    PlainText,
    /// It contains a user name or a password.
    #[error("the address holds a user name or password")]
    HoldsCredentials,
    /// It has a query or a fragment.
    #[error("the address has a query or a fragment")]
    HasQuery,
}

impl UrlPrefix {
    /// Parses an address such as `https://pypi.example.org/team/`.
    ///
    /// # Errors
    /// When the text is not an http(s) address, uses plain http to another machine, contains credentials, or has a
    /// query.
    pub fn parse(text: &str) -> Result<Self, UrlPrefixError> {
        let mut url = Url::parse(text).map_err(|_| UrlPrefixError::NotHttps)?;
        match url.scheme() {
            "https" => {}
            "http" if is_loopback(&url) => {}
            "http" => return Err(UrlPrefixError::PlainText),
            _ => return Err(UrlPrefixError::NotHttps),
        }
        if !url.has_host() {
            return Err(UrlPrefixError::NotHttps);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(UrlPrefixError::HoldsCredentials);
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(UrlPrefixError::HasQuery);
        }
        // A slash at the end makes no difference.
        let path = url.path().trim_end_matches('/').to_owned() + "/";
        url.set_path(&path);
        Ok(Self(url))
    }

    /// Whether an address has this prefix. Path segments count as a whole: `/team` is not a prefix of `/team-b`.
    pub fn covers(&self, url: &Url) -> bool {
        let same_server = self.0.scheme() == url.scheme()
            && self.0.host() == url.host()
            && self.0.port_or_known_default() == url.port_or_known_default();
        let beginning = self.0.path();
        same_server && (url.path().starts_with(beginning) || url.path() == beginning.trim_end_matches('/'))
    }

    /// The host name or address, without the brackets of IPv6.
    pub fn host(&self) -> String {
        match self.0.host() {
            Some(Host::Ipv6(ip)) => ip.to_string(),
            Some(host) => host.to_string(),
            None => String::new(),
        }
    }

    /// The address. It contains no credential.
    pub fn url(&self) -> &Url {
        &self.0
    }
}

impl fmt::Display for UrlPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for UrlPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "UrlPrefix({})", self.0)
    }
}

/// Whether an address names this machine.
pub fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn covers(prefix: &str, url: &str) -> bool {
        UrlPrefix::parse(prefix).expect("a URL prefix").covers(&Url::parse(url).expect("an address"))
    }

    #[test]
    fn a_prefix_covers_only_addresses_below_it() {
        for url in ["https://x.example/team", "https://x.example/team/", "https://x.example:443/team/a/b?c"] {
            assert!(covers("https://x.example/team", url), "{url}");
        }
        for url in [
            "https://x.example/",
            "https://x.example/team-b/",
            "https://x.example/team/../other/",
            "https://x.example/team/%2e%2e/other/",
            "https://x.example:8443/team/",
            "http://x.example/team/",
            "https://x.example.org/team/",
            "https://y.x.example/team/",
        ] {
            assert!(!covers("https://x.example/team/", url), "{url}");
        }
        assert!(covers("https://x.example", "https://x.example/anything"));
        assert!(covers("http://127.0.0.1:8080/", "http://127.0.0.1:8080/simple/x/"));
    }

    #[test]
    fn prefixes_that_could_leak_a_credential_are_refused() {
        let why = |text| UrlPrefix::parse(text).expect_err("an error");
        assert_eq!(why("http://pypi.example.org/"), UrlPrefixError::PlainText);
        assert_eq!(why("https://reader:x@pypi.example.org/"), UrlPrefixError::HoldsCredentials);
        assert_eq!(why("https://reader@pypi.example.org/"), UrlPrefixError::HoldsCredentials);
        assert_eq!(why("https://pypi.example.org/?token=x"), UrlPrefixError::HasQuery);
        assert_eq!(why("ssh://git.example.org/"), UrlPrefixError::NotHttps);
        assert_eq!(why("pypi.example.org"), UrlPrefixError::NotHttps);
    }
}
