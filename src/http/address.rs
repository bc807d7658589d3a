//! Properties of addresses: whether they are local, and how they are shown.

use std::net::Ipv6Addr;

use url::{Host, Url};

use crate::redact::is_loopback;

/// Addresses of AWS metadata services (instance and pod) that are not in a link-local range.
const AWS_METADATA_ADDRESSES: [Ipv6Addr; 2] =
    [Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254), Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x23)];

/// Whether requests to an address bypass the proxy: this machine and its own link. Credentials may be sent there in
/// plain text, and a proxy could read them.
pub(super) fn goes_direct(url: &Url) -> bool {
    is_loopback(url) || is_link_local(url)
}

/// Whether an address is on the machine's own link, such as a cloud's metadata service.
pub(super) fn is_link_local(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(ip)) => ip.is_link_local(),
        Some(Host::Ipv6(ip)) => ip.is_unicast_link_local() || is_aws_metadata(ip),
        _ => false,
    }
}

/// Whether an address belongs to a metadata service of AWS.
pub(super) fn is_aws_metadata(ip: Ipv6Addr) -> bool {
    AWS_METADATA_ADDRESSES.contains(&ip)
}

/// Whether an address is an object in a bucket. In `abfss://CONTAINER@ACCOUNT…`, the user name is the container.
pub fn is_bucket(url: &Url) -> bool {
    matches!(url.scheme(), "s3" | "gs" | "abfss")
}

/// An address for display: without user name and password.
pub fn without_credentials(url: &Url) -> String {
    let mut shown = url.clone();
    // Setting them fails only for addresses that cannot contain credentials.
    if !is_bucket(url) {
        let _ = shown.set_username("");
    }
    let _ = shown.set_password(None);
    shown.to_string()
}

/// Host and path of an address. A query may contain a credential.
pub(super) fn host_and_path(url: &Url) -> String {
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    format!("{}{port}{}", url.host_str().unwrap_or_default(), url.path())
}
