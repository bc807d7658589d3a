//! The present state of the node that all kinds need: packages, users, files of the file store, the receipt, secrets.
//! This module only reads: it changes nothing, starts no program and sends no request.

mod secrets;
mod signed_files;
mod snapshots;

use std::{
    borrow::Cow,
    collections::BTreeMap,
    path::{Path, PathBuf},
};

pub use self::{secrets::Vault, signed_files::SignedFiles, snapshots::Snapshots};
use crate::{
    digest::Digest,
    facts::{Dpkg, users::Users},
    profile::{Asset, AssetProof, AssetRef, Assets, MissingAsset, NamedAsset, RequiredContent},
    state::{Receipt, shipped_dpkg},
};

/// The present state of the node that all kinds need.
#[derive(Debug)]
pub struct Inventory {
    /// The root of the node's file system.
    pub root: PathBuf,
    /// Debian packages.
    pub dpkg: Dpkg,
    /// Users and groups.
    pub users: Users,
    /// The minor version of glibc 2.
    pub glibc: Option<u32>,
    /// Files of the file store that the profile names.
    assets: BTreeMap<AssetRef, FoundAsset>,
    /// Files that are missing in the file store, and whether each is optional.
    pub missing: Vec<(MissingAsset, bool)>,
    /// The receipt of earlier runs.
    pub receipt: Receipt,
    /// The secrets, fetched.
    pub vault: Vault,
}

/// A file of the file store.
#[derive(Debug)]
pub struct FoundAsset {
    /// The path.
    pub asset: Asset,
    /// The content, for kinds that need it to plan.
    pub bytes: Option<Cow<'static, [u8]>>,
    /// The digest that it must have when it is used.
    pub digest: Option<Digest>,
}

impl Inventory {
    /// Collects the state of a node below a root, without files of the file store.
    pub fn new(root: &Path, dpkg: Dpkg, users: Users, receipt: Receipt, vault: Vault) -> Self {
        let glibc = glibc_of(&dpkg).or_else(|| glibc(root));
        let (assets, missing) = (BTreeMap::new(), Vec::new());
        Self { root: root.to_owned(), dpkg, users, glibc, assets, missing, receipt, vault }
    }

    /// Removes the packages that runs and users added, if the packages of the runtime are known. A lock is made for a
    /// fresh node.
    pub fn as_shipped(&mut self) {
        if let Ok(bytes) = std::fs::read(shipped_dpkg(&self.root)) {
            self.dpkg = Dpkg::parse(&bytes);
        }
    }

    /// A file of the file store. `None` if it is missing.
    pub fn asset(&self, wanted: &AssetRef) -> Option<&FoundAsset> {
        self.assets.get(wanted)
    }

    /// Sets the digest of a file on a server.
    pub fn pin(&mut self, wanted: &AssetRef, digest: Digest) {
        if let Some(found) = self.assets.get_mut(wanted) {
            found.digest = Some(digest);
        }
    }

    /// Finds the files of the file store that a profile refers to. `may_be_created` tells whether a step may create a
    /// file of the node.
    pub fn find_assets(
        &mut self,
        named: &[NamedAsset<'_>],
        assets: &Assets<'_>,
        may_be_created: impl Fn(&NamedAsset<'_>) -> bool,
    ) {
        let store = assets.store;
        for named in named {
            let &NamedAsset { file, origin, optional, read_to_plan, content, proof, .. } = named;
            if may_be_created(named) {
                let created = Asset::Created(below(&self.root, Path::new(&file.path)));
                self.assets.insert(file.clone(), FoundAsset { asset: created, bytes: None, digest: None });
                continue;
            }
            let found = assets.find(file, origin).and_then(|asset| {
                if !read_to_plan {
                    let digest = assets.digest(file, &asset, origin)?;
                    return Ok(FoundAsset { asset, bytes: None, digest });
                }
                let bytes = if proof == AssetProof::Fingerprints {
                    assets.read_unchecked(file, &asset, origin)?
                } else {
                    assets.read(file, &asset, origin)?
                };
                if content == RequiredContent::Text && std::str::from_utf8(&bytes).is_err() {
                    return Err(MissingAsset::not_text(file, &asset, origin));
                }
                // The digest ensures that a later read of the copy returns the bytes that were verified here.
                let digest = file.sha256.clone().or_else(|| store.trusted().is_on().then(|| Digest::sha256(&bytes)));
                Ok(FoundAsset { asset, bytes: Some(bytes), digest })
            });
            match found {
                Ok(found) => drop(self.assets.insert(file.clone(), found)),
                Err(missing) => {
                    let missing = missing.with_creation_hint(named, &self.root, store.trusted().is_on());
                    let may_be_missing = optional && !missing.untrusted;
                    self.missing.push((missing, may_be_missing));
                }
            }
        }
    }
}

/// An absolute path of the node, below a root.
pub fn below(root: &Path, path: &Path) -> PathBuf {
    root.join(path.strip_prefix("/").unwrap_or(path))
}

/// The minor version of glibc 2, by the version of Debian's package, such as `2.36-9+deb12u10`.
fn glibc_of(dpkg: &Dpkg) -> Option<u32> {
    let version = dpkg.installed_version("libc6")?;
    let minor = version.strip_prefix("2.")?;
    minor[..minor.find(|c: char| !c.is_ascii_digit()).unwrap_or(minor.len())].parse().ok()
}

/// The minor version of glibc 2, read from the library's own banner.
fn glibc(root: &Path) -> Option<u32> {
    let places = [
        "lib/x86_64-linux-gnu",
        "lib/aarch64-linux-gnu",
        "usr/lib/x86_64-linux-gnu",
        "usr/lib/aarch64-linux-gnu",
        "lib64",
    ];
    let bytes = places.iter().find_map(|place| std::fs::read(root.join(place).join("libc.so.6")).ok())?;
    let banner = b"release version 2.";
    let start = memchr::memmem::find(&bytes, banner)? + banner.len();
    let digits: String =
        bytes[start..].iter().take_while(|byte| byte.is_ascii_digit()).map(|&byte| char::from(byte)).collect();
    digits.parse().ok()
}
