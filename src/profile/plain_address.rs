//! Addresses without encryption: anyone on the network can change what such a server returns.

use std::{collections::BTreeSet, net::IpAddr, sync::LazyLock};

use regex::Regex;
use url::Url;

use crate::lock::bare;

/// An address whose connection is not encrypted. It is not on the node itself.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct PlainAddress {
    /// The address without credentials, for messages.
    pub text: String,
    /// The host, if it is known.
    pub host: Option<String>,
}

impl PlainAddress {
    /// An address, unless it is encrypted or on the node itself.
    pub fn of(url: &Url) -> Option<Self> {
        let scheme = url.scheme().rsplit('+').next().unwrap_or_default();
        if !matches!(scheme, "http" | "git" | "ftp" | "svn") {
            return None;
        }
        let host = url.host_str().map(str::to_ascii_lowercase);
        let is_local = host.as_deref().is_some_and(is_local);
        (!is_local).then(|| Self { text: bare(url).to_string(), host })
    }

    /// The addresses of a requirement, or of a line of a requirements file, whose content no digest covers. pip takes a
    /// branch that is named like a commit for the commit, so a commit of git does not count.
    pub fn in_requirement(line: &str) -> Vec<Self> {
        static ADDRESS: LazyLock<Regex> = LazyLock::new(|| {
            Regex::new(r"(?i)(?:(?:git|hg|svn|bzr)\+)?(?:http|git|ftp|svn)://\S+").expect("the pattern is fixed")
        });
        // pip accepts only strong digests there, and checks the file of the line with them.
        if line.contains(" --hash=") || line.contains(" --hash ") {
            return Vec::new();
        }
        // Installers ignore a digest in the address of an index.
        let is_file = !line.starts_with('-');
        let addresses = ADDRESS.find_iter(line).filter_map(|found| match Url::parse(found.as_str()) {
            Ok(url) if is_file && has_digest(&url) => None,
            Ok(url) => Self::of(&url),
            // Such as an address with `${HOST}`.
            Err(_) => Some(Self { text: "http://…".to_owned(), host: None }),
        });
        addresses.collect()
    }

    /// Whether the host is one of these.
    pub fn is_of(&self, hosts: &BTreeSet<String>) -> bool {
        self.host.as_ref().is_some_and(|host| hosts.contains(host))
    }
}

/// Whether an address names the digest of its file.
fn has_digest(url: &Url) -> bool {
    let is_hex = |text: &str, length| text.len() == length && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let fragment = url.fragment().unwrap_or_default();
    let is_archive = !url.scheme().contains('+');
    let names_digest = fragment.split('&').filter_map(|part| part.split_once('=')).any(|(name, value)| match name {
        "sha256" => is_hex(value, 64),
        "sha384" => is_hex(value, 96),
        "sha512" => is_hex(value, 128),
        _ => false,
    });
    is_archive && names_digest
}

fn is_local(host: &str) -> bool {
    let number = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || number.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_without_encryption_and_digest_are_found_in_requirements() {
        let hex = "0123456789abcdef".repeat(4);
        let commit = &hex[..40];
        for (line, host) in [
            ("x @ http://a.example/x.whl", "a.example"),
            ("x @ http://A.example/x.whl#md5=0123 ; python_version > '3'", "a.example"),
            ("-ihttp://a.example/simple", "a.example"),
            ("--pre --extra-index-url=http://a.example:8080/simple", "a.example"),
            ("--find-links http://a.example/", "a.example"),
            ("-e git+http://a.example/x.git@main#egg=x", "a.example"),
            ("x @ git://a.example/x.git", "a.example"),
            (&format!("x @ git+http://a.example/x.git@{commit}#egg=x"), "a.example"),
            (&format!("x @ git+http://a.example/x.git@main#sha256={hex}"), "a.example"),
            (&format!("-f http://a.example/#sha256={hex}"), "a.example"),
            ("x @ ftp://10.0.0.1/x.tar.gz", "10.0.0.1"),
        ] {
            let found = PlainAddress::in_requirement(line);
            assert_eq!(found.iter().filter_map(|found| found.host.as_deref()).collect::<Vec<_>>(), [host], "{line}");
        }
        assert_eq!(PlainAddress::in_requirement("-i http://${HOST}:${PORT}/simple").len(), 1);
        for line in [
            "x==1.0",
            "x @ https://a.example/x.whl",
            "x @ git+https://a.example/x.git",
            "x @ git+ssh://git@a.example/x.git",
            "--index-url http://127.0.0.1:3141/simple",
            "x @ git+http://[::1]:80/x.git",
            "x @ http://localhost/x.whl",
            &format!("x @ http://a.example/x.whl#sha256={hex}"),
            &format!("http://a.example/x.whl --hash=sha256:{hex}"),
        ] {
            assert_eq!(PlainAddress::in_requirement(line), [], "{line}");
        }
    }
}
