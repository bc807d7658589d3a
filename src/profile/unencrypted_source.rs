//! Sources without encryption whose content no digest of the profile covers.

use std::path::Path;

use url::Url;

use super::{asset_ref::AssetRef, plain_address::PlainAddress};
use crate::diagnostic::Origin;

/// A source without encryption whose content no digest of the profile covers. A lock may have the digests.
#[derive(Debug, Clone)]
pub struct UnencryptedSource<'a> {
    /// The address.
    pub address: PlainAddress,
    /// The line that names it.
    pub origin: &'a Origin,
    /// The part of a lock that covers the content.
    pub covered_by: CoveredBy<'a>,
    /// A way to authenticate the content in the profile, for the hint. Empty if there is none.
    pub remedy: &'static str,
}

/// The part of a lock that has the digests of a source's content.
#[derive(Debug, Clone)]
pub enum CoveredBy<'a> {
    /// The packages of Python, if all are wheels. A build fetches its requirements from the index, without digests.
    PythonPackages,
    /// The packages of R.
    RPackages,
    /// A file.
    File(&'a AssetRef),
    /// The commit of a git repository.
    Commit {
        /// The folder of the clone.
        folder: &'a Path,
        /// The repository.
        url: &'a Url,
        /// The label of the branch or the tag.
        revision: String,
    },
}

impl<'a> UnencryptedSource<'a> {
    /// A source of packages, unless it is encrypted or on the node itself.
    pub fn of_packages(url: &Url, origin: &'a Origin, covered_by: CoveredBy<'a>) -> Option<Self> {
        let address = PlainAddress::of(url)?;
        Some(Self { address, origin, covered_by, remedy: "" })
    }

    /// The message of a refusal, without its position.
    pub fn message(&self) -> String {
        not_encrypted(&self.address)
    }

    /// The hint of a refusal.
    pub fn hint(&self) -> String {
        encrypt(&self.address, self.remedy)
    }
}

/// The message about an address.
pub fn not_encrypted(address: &PlainAddress) -> String {
    format!("`{}` is not encrypted, and no digest covers its content", address.text)
}

/// The hint about an address. `remedy` is a way to authenticate the content, such as `name the commit`.
pub fn encrypt(address: &PlainAddress, remedy: &str) -> String {
    let remedy = if remedy.is_empty() { String::new() } else { format!(", {remedy}") };
    let host = address.host.as_deref().unwrap_or("HOST");
    format!(
        "use https{remedy}, or allow the host on the node with `insecure-http = [\"{host}\"]` in /etc/nodeagent.toml: \
         anyone on the network can change the content"
    )
}
