//! Files on servers that a signature authenticates. After a file was verified once, the agent's cache has its digest.

use std::path::{Path, PathBuf};

use crate::{digest::Digest, profile::AssetRef};

/// The digests of verified files, in the agent's cache.
#[derive(Debug, Clone, Copy)]
pub struct SignedFiles<'a> {
    /// The agent's cache.
    pub cache: &'a Path,
}

impl SignedFiles<'_> {
    /// The record of a file that was verified with this key. `key` is its identity.
    pub fn record(&self, file: &AssetRef, key: &str) -> PathBuf {
        self.cache.join("assets/signed").join(identity(file, key).hex())
    }

    /// The digest of a file that was verified with this key. `key` is its identity.
    pub fn digest(&self, file: &AssetRef, key: &str) -> Option<Digest> {
        std::fs::read_to_string(self.record(file, key)).ok()?.trim().parse().ok()
    }

    /// A placeholder for the digest of a file that was not fetched yet. No known file has it.
    pub fn placeholder_digest() -> Digest {
        Digest::Sha256(hex::encode(b"nodeagent: file not verified yet"))
    }
}

fn identity(file: &AssetRef, key: &str) -> Digest {
    let signatures = file.signed_by.iter().flat_map(|signed| signed.signature_urls(file));
    // A file that was verified with another signature must be verified again.
    let signature = file.signed_by.iter().filter_map(|signed| signed.signature.as_ref()?.sha256.as_ref());
    let lines = file.urls.iter().cloned().chain(signatures).map(String::from);
    let lines: Vec<String> = lines.chain(signature.map(|digest| digest.hex().to_owned())).collect();
    Digest::sha256(format!("{key}\n{}", lines.join("\n")).as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trust::SecretKey;

    #[test]
    fn a_record_is_of_one_file_and_one_key() {
        let temp = tempfile::tempdir().expect("a temporary folder");
        let records = SignedFiles { cache: temp.path() };
        let key = || SecretKey::generate().expect("random numbers").public().to_string();
        let file = |url: &str| {
            let urls = vec![url.parse().expect("an address")];
            AssetRef { path: url.into(), beside: None, sha256: None, signed_by: None, urls }
        };
        let (first, other, digest) = (key(), key(), Digest::sha256(b"x"));
        let a = file("https://a.example/x");
        assert_eq!(records.digest(&a, &first), None);
        crate::fs::put(&records.record(&a, &first), digest.hex());
        assert_eq!(records.digest(&a, &first), Some(digest));
        assert_eq!(records.digest(&a, &other), None);
        assert_eq!(records.digest(&file("https://b.example/x"), &first), None);
    }
}
