//! Questions about addresses: where they lead, and how they are shown.

use std::net::Ipv6Addr;

use url::{Host, Url};

use crate::redact::is_loopback;

/// What AWS has on an instance's own link under addresses that say nothing of it: instance and pod metadata.
const LINK_OF_AWS: [Ipv6Addr; 2] =
    [Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254), Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x23)];

/// Whether an address is of this machine or its own link: no proxy may stand between, or what may go there in plain
/// text could be read at the proxy.
pub(super) fn goes_direct(url: &Url) -> bool {
    is_loopback(url) || is_link_local(url)
}

/// Whether an address is of the machine's own link, such as a cloud's metadata service.
pub(super) fn is_link_local(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(ip)) => ip.is_link_local(),
        Some(Host::Ipv6(ip)) => ip.is_unicast_link_local() || LINK_OF_AWS.contains(&ip),
        _ => false,
    }
}

/// An address as it may be shown: without user name and password.
pub fn without_credentials(url: &Url) -> String {
    let mut shown = url.clone();
    // Addresses that cannot carry credentials have none to hide.
    let _ = shown.set_username("");
    let _ = shown.set_password(None);
    shown.to_string()
}

/// Host and path of an address: what follows may be anybody's.
pub(super) fn host_and_path(url: &Url) -> String {
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    format!("{}{port}{}", url.host_str().unwrap_or_default(), url.path())
}
