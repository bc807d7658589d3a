//! The secrets in a grant.

use std::fmt;

use super::wildcard::matches;
use crate::grammar::{
    names,
    secret_source::{SourceName, default_addresses},
};

/// A pattern that matches secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretPattern {
    /// Keys of a scope, at their default addresses.
    Keys {
        /// The scope.
        scope: String,
        /// The keys. A `*` matches any characters. `None` matches all keys.
        keys: Option<String>,
    },
    /// Secrets by their address at a source: `SOURCE:PLACE`. A `*` matches any characters.
    Source(String),
}

impl SecretPattern {
    pub(super) fn parse(text: &str) -> Result<Self, (String, String)> {
        if let Some((source, address)) = text.split_once(':') {
            let known = SourceName::ALL.map(SourceName::name);
            if !known.contains(&source) || address.is_empty() || address.starts_with('*') {
                let hint =
                    format!("write `SCOPE`, `SCOPE/KEY`, or `SOURCE:PLACE` with a source of {}", known.join(", "));
                return Err((format!("`{text}` is not the address of a secret"), hint));
            }
            return Ok(Self::Source(text.to_owned()));
        }
        let (scope, keys) = text.split_once('/').map_or((text, None), |(scope, keys)| (scope, Some(keys)));
        if !names::is_secret(scope) {
            let hint = "list each scope, as `family` or `family/KEY`; a `*` is allowed in the key only";
            return Err((format!("`{scope}` is not a valid scope"), hint.to_owned()));
        }
        if let Some(keys) = keys
            && !names::is_secret(&keys.replace('*', "x"))
        {
            return Err((
                format!("`{keys}` is not a valid key"),
                "use letters, digits and `_.@-`; a `*` matches any of them".to_owned(),
            ));
        }
        let keys = keys.filter(|keys| *keys != "*").map(str::to_owned);
        Ok(Self::Keys { scope: scope.to_owned(), keys })
    }

    /// Whether the pattern matches a key of a scope. Without a key, whether it matches all keys.
    pub(super) fn matches(&self, scope: &str, key: Option<&str>) -> bool {
        match (self, key) {
            (Self::Keys { scope: mine, keys: None }, _) => mine == scope,
            (Self::Keys { scope: mine, keys: Some(keys) }, Some(key)) => mine == scope && matches(keys, key),
            _ => false,
        }
    }

    /// Whether the pattern matches the secret at an address: by the address, or by the scope and key whose default
    /// address it is.
    pub(super) fn matches_address(&self, written: &str) -> bool {
        match self {
            Self::Source(pattern) => matches(pattern, written),
            Self::Keys { scope, keys } => {
                let keys = keys.as_deref().unwrap_or("*");
                let is_file = written.strip_prefix("file:").is_some_and(|path| is_scope_file(path, scope, keys));
                is_file || default_addresses(scope, keys).iter().any(|pattern| matches(pattern, written))
            }
        }
    }
}

/// Whether a path ends with `SCOPE/KEY`. The folder above may differ on each node.
fn is_scope_file(path: &str, scope: &str, keys: &str) -> bool {
    let mut parts = path.split('/').rev();
    parts.next().is_some_and(|key| matches(keys, key) && names::is_secret(key))
        && parts.next() == Some(scope)
        && path.starts_with('/')
        && path.split('/').all(|part| part != "..")
}

impl fmt::Display for SecretPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Keys { scope, keys: None } => f.write_str(scope),
            Self::Keys { scope, keys: Some(keys) } => write!(f, "{scope}/{keys}"),
            Self::Source(text) => f.write_str(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn readable(text: &str) -> SecretPattern {
        SecretPattern::parse(text).unwrap_or_else(|error| panic!("{text}: {error:?}"))
    }

    #[test]
    fn a_scope_matches_all_its_keys_and_no_other_scope() {
        for text in ["family", "family/*"] {
            assert!(readable(text).matches("family", Some("x")) && readable(text).matches("family", None));
            assert!(!readable(text).matches("family2", Some("x")) && !readable(text).matches("fam", Some("ily")));
        }
    }

    #[test]
    fn a_key_pattern_matches_keys_and_not_the_whole_scope() {
        assert!(readable("family/analytics-*").matches("family", Some("analytics-read-only")));
        assert!(!readable("family/analytics-*").matches("family", Some("admin")));
        assert!(!readable("family/analytics-*").matches("family", None));
        assert!(!readable("criminal/one-key").matches("criminal", Some("one-key2")));
    }

    #[test]
    fn an_address_matches_with_its_source_only() {
        let address = readable("credstash:credential-store/shared.*");
        assert!(address.matches_address("credstash:credential-store/shared.api"));
        assert!(!address.matches_address("aws-secrets-manager:credential-store/shared.api"));
        assert!(!address.matches("credential-store", Some("shared.api")));
    }

    #[test]
    fn a_default_address_matches_its_scope_and_key() {
        for address in [
            "databricks:family/geo-au",
            "azure-key-vault:family.vault.azure.net/geo-au",
            "credstash:credential-store/family/geo-au",
            "aws-secrets-manager:family/geo-au",
            "aws-parameter-store:/family/geo-au",
            "env:FAMILY_GEO_AU",
            "file:/run/secrets/family/geo-au",
        ] {
            for grant in ["family", "family/geo-*", "family/geo-au", "family/*-au"] {
                assert!(readable(grant).matches_address(address), "{grant} {address}");
            }
            for grant in ["fam", "criminal", "family/geo", "family/dna-*", "geo-au"] {
                assert!(!readable(grant).matches_address(address), "{grant} {address}");
            }
        }
        for address in [
            "credstash:criminal/family/x",
            "aws-secrets-manager:criminal/x",
            "azure-key-vault:criminal.vault.azure.net/family",
            "env:FAMILYX_A",
            "file:/run/family/../criminal/x",
            "file:/run/family/",
            "file:family/x",
        ] {
            assert!(!readable("family").matches_address(address), "{address}");
        }
    }

    #[test]
    fn an_invalid_pattern_is_refused() {
        for text in ["", "*", "*/x", "fam*", "family/", "family/a/b", "vault:x", "credstash:", "credstash:*", "-x/y"] {
            assert!(SecretPattern::parse(text).is_err(), "{text}");
        }
    }
}
