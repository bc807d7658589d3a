//! The resource of the token that a vault receives. It must be the service that the vault's address belongs to, even if
//! the vault's challenge names another one.
//!
//! <https://learn.microsoft.com/azure/key-vault/general/authentication-requests-and-responses>

use url::Url;

use crate::http::is_loopback;

/// The resources of Key Vault in the Azure clouds. The host of a vault is a subdomain of the resource's host.
const RESOURCES: [&str; 6] = [
    "https://vault.azure.net",
    "https://vault.usgovcloudapi.net",
    "https://vault.azure.cn",
    "https://managedhsm.azure.net",
    "https://managedhsm.usgovcloudapi.net",
    "https://managedhsm.azure.cn",
];

/// The resource of a vault of a known cloud.
pub(super) fn known_resource(vault: &Url) -> Option<&'static str> {
    RESOURCES.into_iter().find(|resource| is_subdomain(vault, resource))
}

/// The resource in a challenge: `Bearer authorization="…", resource="…"`, or `scope` instead of `resource`.
pub(super) fn resource(challenge: &str) -> Option<String> {
    let parts = challenge.strip_prefix("Bearer ")?;
    let value = |wanted: &str| {
        parts.split([',', ' ']).filter_map(|part| part.trim().split_once('=')).find_map(|(name, value)| {
            (name == wanted).then(|| value.trim_matches('"')).filter(|value| !value.is_empty())
        })
    };
    let named = value("resource").or_else(|| value("scope")?.strip_suffix("/.default"))?;
    Some(named.trim_end_matches('/').to_owned())
}

/// Whether a vault may receive a token for a resource: its host is a subdomain of the resource's host, or the vault is
/// on this machine and names the resource of a known cloud.
pub(super) fn accepts(vault: &Url, resource: &str) -> bool {
    is_subdomain(vault, resource) || is_loopback(vault) && RESOURCES.contains(&resource)
}

fn is_subdomain(vault: &Url, resource: &str) -> bool {
    let Some(resource) = Url::parse(resource).ok().filter(|url| url.scheme() == "https") else { return false };
    match (vault.host_str(), resource.host_str()) {
        // A name with one label is a top-level domain, which contains the hosts of others.
        (Some(host), Some(above)) if above.contains('.') => {
            host.strip_suffix(above).is_some_and(|name| name.len() > 1 && name.ends_with('.'))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vault(text: &str) -> Url {
        Url::parse(text).expect("an address")
    }

    #[test]
    fn a_vault_of_a_known_cloud_needs_no_challenge() {
        assert_eq!(known_resource(&vault("https://family.vault.azure.net/")), Some("https://vault.azure.net"));
        assert_eq!(known_resource(&vault("https://family.vault.azure.cn")), Some("https://vault.azure.cn"));
        for other in
            ["https://family.vault.azure.net.example.org", "https://vault.azure.net", "https://familyvault.azure.net"]
        {
            assert_eq!(known_resource(&vault(other)), None, "{other}");
        }
    }

    #[test]
    fn a_challenge_names_a_resource_or_a_scope() {
        let both = r#"Bearer authorization="https://login.microsoftonline.com/t", resource="https://vault.azure.net""#;
        assert_eq!(resource(both).as_deref(), Some("https://vault.azure.net"));
        let scope = r#"Bearer authorization="https://login/t", scope="https://vault.azure.net/.default""#;
        assert_eq!(resource(scope).as_deref(), Some("https://vault.azure.net"));
        for nothing in ["Basic realm=\"x\"", "Bearer", "Bearer resource=\"\"", ""] {
            assert_eq!(resource(nothing), None, "{nothing}");
        }
    }

    #[test]
    fn a_token_is_sent_only_to_a_host_of_its_own_service() {
        let stack = vault("https://family.vault.local.example.org");
        assert!(accepts(&stack, "https://vault.local.example.org"));
        assert!(accepts(&vault("https://127.0.0.1:5701"), "https://vault.azure.net"));
        for (host, resource) in [
            ("https://evil.example.org", "https://vault.azure.net"),
            ("https://family.vault.azure.net", "https://management.azure.com"),
            ("https://evil.example.org", "https://org"),
            ("https://evilvault.azure.net", "https://vault.azure.net"),
            ("https://family.example.org", "http://example.org"),
            ("https://127.0.0.1:5701", "https://management.azure.com"),
        ] {
            assert!(!accepts(&vault(host), resource), "{host} {resource}");
        }
    }
}
