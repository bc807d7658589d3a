//! The manifest of a layer: its parts, its packages and the libraries that its files link to.

use std::{collections::BTreeMap, path::PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::LayerError;
use crate::{
    digest::Digest,
    fs::Limits,
    steps::system_libraries::LinkedLibraries,
    store::{Entry, Key, Kind, Member, Object},
    trust::Trusted,
};

const SCHEMA: u32 = 1;
/// The names of these values in an entry's facts.
const MANIFEST: &str = "manifest";
const SIGNATURE: &str = "signature";
/// The role of a part in an entry.
const ROLE: &str = "part";
/// The maximum number of parts in a manifest.
const MAX_PARTS: usize = 1024;

/// The manifest of a layer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Manifest {
    schema: u32,
    /// The key of the layer. A manifest that was signed for another layer is refused.
    key: String,
    /// Package versions, by name.
    pub(super) packages: BTreeMap<String, String>,
    /// The libraries outside the layer that its shared objects link to.
    pub(super) links: LinkedLibraries,
    pub(super) parts: Vec<Part>,
}

/// A part of a layer: a tar archive, compressed by zstd.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Part {
    pub(super) sha256: String,
    /// The compressed size in bytes.
    pub(super) size: u64,
    /// The total size of its files in bytes.
    pub(super) bytes: u64,
    /// The number of files, folders and links.
    pub(super) entries: u64,
}

impl Part {
    pub(super) fn object(&self) -> Object {
        Object { digest: Digest::Sha256(self.sha256.clone()), size: self.size }
    }
}

impl Manifest {
    pub(super) fn new(key: &Key, packages: BTreeMap<String, String>, links: LinkedLibraries, parts: Vec<Part>) -> Self {
        Self { schema: SCHEMA, key: key.hex().to_owned(), packages, links, parts }
    }

    /// The signed text.
    pub(super) fn to_text(&self) -> String {
        serde_json::to_string(self).expect("our own types can be written")
    }

    /// The file name that the signature is made for.
    pub(super) fn signed_name(key: &Key) -> String {
        format!("layer-{}", key.hex())
    }

    /// The store entry with this manifest.
    pub(super) fn entry(&self, signature: Option<String>) -> Entry {
        let mut facts = Map::from_iter([(MANIFEST.to_owned(), Value::String(self.to_text()))]);
        facts.extend(signature.map(|text| (SIGNATURE.to_owned(), Value::String(text))));
        let parts = self.parts.iter().map(|part| Member::new(ROLE, &part.object()));
        Entry::new(Kind::Layer, parts.collect(), facts)
    }

    /// Checks that all parts together are within the limits for archives. A manifest can state any numbers, and they
    /// are the limits for its parts.
    pub(super) fn check_size(&self) -> Result<(), LayerError> {
        let sum = |of: fn(&Part) -> u64| self.parts.iter().map(of).fold(0, u64::saturating_add);
        // Packed files are not larger than unpacked ones, apart from headers.
        check_size(sum(|part| part.entries), sum(|part| part.bytes).max(sum(|part| part.size)))
    }

    /// Reads the manifest of an entry. With trusted keys, it must be signed for this key.
    pub(super) fn of(entry: &Entry, key: &Key, trusted: &Trusted) -> Result<Self, LayerError> {
        let text = |name: &str| entry.facts.get(name).and_then(Value::as_str);
        let manifest = text(MANIFEST).ok_or(LayerError::NoManifest)?;
        if trusted.is_on() {
            let (name, signature) = (PathBuf::from(Self::signed_name(key)), text(SIGNATURE));
            let checked = trusted.keys().check(&name, manifest.as_bytes(), signature.map(str::as_bytes));
            checked?;
        }
        let manifest: Self = serde_json::from_str(manifest)?;
        if manifest.schema != SCHEMA {
            return Err(LayerError::UnknownFormat { found: manifest.schema, supported: SCHEMA });
        }
        if manifest.key != key.hex() {
            return Err(LayerError::OtherLayer);
        }
        let named = entry.objects.iter().map(|object| (&object.sha256, object.size));
        if !named.eq(manifest.parts.iter().map(|part| (&part.sha256, part.size))) {
            return Err(LayerError::OtherParts);
        }
        if manifest.parts.is_empty() || manifest.parts.len() > MAX_PARTS {
            return Err(LayerError::PartCount(manifest.parts.len()));
        }
        manifest.check_size()?;
        Ok(manifest)
    }
}

/// Checks that the files of a layer are within the limits for archives.
pub(super) fn check_size(entries: u64, bytes: u64) -> Result<(), LayerError> {
    let limits = Limits::default();
    if entries > limits.entries || bytes > limits.bytes {
        return Err(LayerError::TooLarge { entries, bytes, limits });
    }
    Ok(())
}
