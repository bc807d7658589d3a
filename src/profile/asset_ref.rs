//! A file as a profile names it.

use std::{collections::BTreeSet, path::PathBuf};

use url::Url;

use super::glob_pattern::is_glob;
use crate::{
    digest::Digest,
    lock::{bare, object_address},
};

/// A file as a profile names it: in the file store, on the node, or on a server.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct AssetRef {
    /// The path as written. For a file on a server: its first address, without its query.
    pub path: String,
    /// The folder of the profile that names the file. `None` for a built-in profile.
    pub beside: Option<PathBuf>,
    /// The expected digest.
    pub sha256: Option<Digest>,
    /// The signature of a file on a server, instead of a digest.
    pub signed_by: Option<SignedBy>,
    /// The addresses of a file on a server, in order. Empty for other files.
    pub urls: Vec<Url>,
}

impl AssetRef {
    /// The name of the file.
    pub fn file_name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or_default()
    }

    /// Whether it stands for all files that a glob matches.
    pub fn is_glob(&self) -> bool {
        self.urls.is_empty() && is_glob(&self.path)
    }

    /// Whether it stands for all files of a folder of the file store or of the node.
    pub fn is_folder(&self) -> bool {
        self.urls.is_empty() && self.path.ends_with('/')
    }

    /// Whether it stands for all objects of a folder in a bucket. Only a lock has their names.
    pub fn is_bucket_folder(&self) -> bool {
        !self.urls.is_empty() && self.path.ends_with('/')
    }

    /// An object of a folder in a bucket, by its name in the folder.
    pub(super) fn object(&self, name: &str) -> Option<Self> {
        let url = object_address(self.urls.first()?, name)?;
        Some(Self { path: bare(&url).to_string(), urls: vec![url], ..self.clone() })
    }
}

/// The signature of a file on a server.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct SignedBy {
    /// The key.
    pub key: SigningKey,
    /// The file with the signature, if it is not beside the file.
    pub signature: Option<Box<AssetRef>>,
}

/// The key of a signature.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum SigningKey {
    /// The text of a minisign key, as minisign prints it.
    Text(String),
    /// A file with a minisign key.
    File(Box<AssetRef>),
    /// A file of OpenPGP keys.
    OpenPgp {
        /// The file.
        file: Box<AssetRef>,
        /// The fingerprints of its keys, as upper-case hexadecimal digits.
        fingerprints: BTreeSet<String>,
    },
}
