//! A request to a vault, and the name of a vault in messages.

use url::Url;

use super::challenge;

/// A request to a vault.
#[derive(Debug, Clone, Copy)]
pub(super) enum VaultRequest<'a> {
    /// The value of a secret, by name.
    Secret(&'a str),
    /// The names of all secrets.
    Names,
}

/// The name of a vault for messages: the first label of its host. Outside the known clouds, the host and the port.
pub(super) fn display_name(vault: &Url) -> String {
    let host = vault.host_str().unwrap_or_default();
    match challenge::known_resource(vault) {
        Some(_) => host.split('.').next().unwrap_or(host).to_owned(),
        None => vault.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}")),
    }
}
