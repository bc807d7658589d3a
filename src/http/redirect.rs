//! Rules for redirects: not too many, not from https to http, and not to local services.

use std::net::IpAddr;

use reqwest::redirect::{Action, Attempt, Policy};
use url::{Host, Url};

use super::address::{goes_direct, is_aws_metadata};

/// The largest number of redirects.
pub(super) const MAX_REDIRECTS: usize = 10;

/// Why a redirect is not followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RedirectError {
    /// Too many redirects.
    #[error("there are too many redirects")]
    TooMany,
    /// From https to http: the content could be changed on its way.
    #[error("the server redirects from https to plain http")]
    Downgrade,
    /// To an address that only this machine can reach.
    #[error("the server redirects to an address of this machine or its own link")]
    LocalAddress,
}

/// Checks a redirect.
pub(super) fn allowed(from: &Url, to: &Url) -> Result<(), RedirectError> {
    if from.scheme() == "https" && to.scheme() != "https" {
        return Err(RedirectError::Downgrade);
    }
    if !goes_direct(from) && (goes_direct(to) || leads_inwards(to)) {
        return Err(RedirectError::LocalAddress);
    }
    Ok(())
}

/// Whether an address leads to this machine or its own link. Names are not looked up: behind a proxy, this machine may
/// know other addresses of a name than the proxy.
fn leads_inwards(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(ip)) => is_inward(IpAddr::V4(ip)),
        Some(Host::Ipv6(ip)) => is_inward(IpAddr::V6(ip)),
        Some(Host::Domain(name)) => {
            let name = name.trim_end_matches('.');
            name == "localhost" || name.ends_with(".localhost")
        }
        None => false,
    }
}

fn is_inward(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(ip) => ip.is_loopback() || ip.is_link_local() || ip.is_unspecified(),
        IpAddr::V6(ip) => ip.is_loopback() || ip.is_unspecified() || ip.is_unicast_link_local() || is_aws_metadata(ip),
    }
}

/// The same rules for the client that follows redirects by itself.
pub(super) fn policy() -> Policy {
    Policy::custom(|attempt| match check(&attempt) {
        Ok(()) => attempt.follow(),
        Err(error) => refuse(attempt, error),
    })
}

fn check(attempt: &Attempt<'_>) -> Result<(), RedirectError> {
    if attempt.previous().len() > MAX_REDIRECTS {
        return Err(RedirectError::TooMany);
    }
    attempt.previous().last().map_or(Ok(()), |from| allowed(from, attempt.url()))
}

fn refuse(attempt: Attempt<'_>, error: RedirectError) -> Action {
    attempt.error(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redirects_to_plain_http_and_to_local_addresses_are_refused() {
        let check = |from: &str, to: &str| {
            allowed(&Url::parse(from).expect("an address"), &Url::parse(to).expect("an address"))
        };
        assert_eq!(check("https://a.example/", "https://b.example/"), Ok(()));
        assert_eq!(check("http://a.example/", "https://b.example/"), Ok(()));
        assert_eq!(check("http://127.0.0.1:1/", "http://localhost:2/"), Ok(()));
        assert_eq!(check("https://a.example/", "http://a.example/"), Err(RedirectError::Downgrade));
        for inwards in [
            "http://169.254.169.254/latest/",
            "http://localhost/",
            "http://localhost./",
            "http://a.localhost/",
            "http://[::1]/",
            "http://[::]/",
            "http://0.0.0.0/",
            "http://2130706433/",
            "http://0x7f.1/",
            "http://[::ffff:169.254.169.254]/",
            "http://[::ffff:127.0.0.1]/",
            "http://[fd00:ec2::254]/",
        ] {
            assert_eq!(check("http://a.example/", inwards), Err(RedirectError::LocalAddress), "{inwards}");
        }
    }
}
