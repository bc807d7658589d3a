//! The trust of a run: trusted keys, digests in signed files, and serials.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Mutex, PoisonError},
};

use super::{
    hashes::Prehash,
    key::{KeyId, PublicKey},
    serial::{self, OldSerial},
    signature::{self, Malformed, Signature},
};
use crate::digest::Digest;

/// The trusted public keys.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TrustedKeys(Vec<PublicKey>);

/// A verified signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    /// The identifier of the key.
    pub key: KeyId,
    /// The trusted comment.
    pub comment: String,
}

/// Why a file is not trusted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Distrust {
    /// No signature.
    #[error("it has no signature")]
    NoSignature,
    /// Neither a signature nor a digest in a signed file.
    #[error("it has no signature, and no signed file contains its digest")]
    NoDigest,
    /// The signature could not be read.
    #[error("its signature could not be read: {0}")]
    Unread(String),
    /// The file could not be read.
    #[error("it could not be read: {0}")]
    UnreadFile(String),
    /// The signature is malformed.
    #[error("its signature is invalid: {0}")]
    Malformed(Malformed),
    /// The key is not trusted.
    #[error("it is signed with the key {0}, which is not trusted")]
    UnknownKey(KeyId),
    /// The bytes are not the signed ones.
    #[error("its content does not match its signature with the key {0}")]
    BadSignature(KeyId),
    /// The bytes differ from the signed ones in their line ends only.
    #[error("its line ends are not those that were signed with the key {0}")]
    LineEnds(KeyId),
    /// The trusted comment was changed.
    #[error("the comment of its signature is not the one that was signed with the key {0}")]
    BadComment(KeyId),
    /// The signature is for another file.
    #[error("its signature is for `{0}`")]
    OtherFile(String),
    /// The digest differs from the one in a signed file.
    #[error("its digest is {found}, but {named} is expected")]
    WrongDigest {
        /// The digest of the file.
        found: Digest,
        /// The digest in the signed file.
        named: Digest,
    },
    /// The serial is out of date.
    #[error(transparent)]
    Old(OldSerial),
}

impl Distrust {
    /// A hint for the user, for a file of this name.
    pub fn hint(&self, file: &str) -> String {
        match self {
            Self::NoSignature => {
                format!("run `nodeagent sign {file} --key KEY`, and put `{file}.minisig` beside the file")
            }
            Self::NoDigest => {
                "add its `sha256` to the profile and sign the profile, or sign the file itself".to_owned()
            }
            Self::Unread(_) => format!("`{file}.minisig` must be a small regular file that nodeagent can read"),
            Self::UnreadFile(_) => "check the path and the file's permissions".to_owned(),
            Self::Malformed(Malformed::Legacy) => {
                "sign it again with `nodeagent sign`, or with minisign 0.11 or later and without `-l`".to_owned()
            }
            Self::Malformed(_) => "sign the file again".to_owned(),
            Self::UnknownKey(_) => {
                "ask the signer; if the key is right, add it with `--trusted-key` or in /etc/nodeagent.toml".to_owned()
            }
            Self::LineEnds(_) => {
                "line feeds were converted to CR LF, for example by git's `autocrlf`: copy the file unchanged"
                    .to_owned()
            }
            Self::BadSignature(_) | Self::BadComment(_) => {
                "the file or its signature was changed after signing: restore both, or review the change and sign \
                 it again"
                    .to_owned()
            }
            Self::OtherFile(_) => "another signed file is in its place: restore the right file".to_owned(),
            Self::WrongDigest { .. } => {
                "the file was changed or damaged: restore it, or review it and update the digest".to_owned()
            }
            Self::Old(old) => old.hint(),
        }
    }
}

impl TrustedKeys {
    /// A set of keys.
    pub fn new(keys: Vec<PublicKey>) -> Self {
        Self(keys)
    }

    /// Whether there are no keys.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a key is trusted.
    pub fn has(&self, key: &PublicKey) -> bool {
        self.0.contains(key)
    }

    /// Verifies bytes with the signature beside them. `path` is the path of the file.
    pub fn check(&self, path: &Path, bytes: &[u8], signature: Option<&[u8]>) -> Result<Signed, Distrust> {
        let checked = self.check_hashed(path, &Prehash::of(bytes), signature);
        if let Err(Distrust::BadSignature(key)) = checked
            && let Some(plain) = with_plain_line_ends(bytes)
            && self.check_hashed(path, &Prehash::of(&plain), signature).is_ok()
        {
            return Err(Distrust::LineEnds(key));
        }
        checked
    }

    /// Like [`TrustedKeys::check`], for bytes that were hashed while they were read.
    pub fn check_hashed(&self, path: &Path, hash: &Prehash, signature: Option<&[u8]>) -> Result<Signed, Distrust> {
        let signature = Signature::parse(signature.ok_or(Distrust::NoSignature)?).map_err(Distrust::Malformed)?;
        let id = signature.id();
        // Two keys may have the same identifier.
        let mut keys = self.0.iter().filter(|key| key.id() == id).peekable();
        if keys.peek().is_none() {
            return Err(Distrust::UnknownKey(id));
        }
        let key = keys.find(|key| signature.is_of(key, hash)).ok_or(Distrust::BadSignature(id))?;
        if !signature.comment_is_of(key) {
            return Err(Distrust::BadComment(id));
        }
        if let Some(other) = signature.files().find(|named| !signature::is_named(path, named)) {
            return Err(Distrust::OtherFile(other.to_owned()));
        }
        Ok(Signed { key: id, comment: signature.comment().to_owned() })
    }
}

/// The bytes with LF line ends, if they have CR LF.
fn with_plain_line_ends(bytes: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(bytes).ok().filter(|text| text.contains("\r\n"))?;
    Some(text.replace("\r\n", "\n").into_bytes())
}

/// Digests in signed files. A file with one of these digests counts as signed.
#[derive(Debug, Default)]
pub struct Digests(Mutex<BTreeMap<Digest, String>>);

impl Digests {
    /// Adds a digest of a verified file. `named_by` is the path of that file.
    pub fn add(&self, digest: Digest, named_by: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(digest).or_insert_with(|| named_by.to_owned());
    }

    /// Removes all digests, so that the files of the next profile are verified by that profile and its lock alone.
    pub fn clear(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// The signed file that contains a digest.
    pub fn named_by(&self, digest: &Digest) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(digest).cloned()
    }
}

/// The trust settings of a run. Without trusted keys, every file in the file store is accepted.
#[derive(Debug, Default)]
pub struct Trusted {
    keys: TrustedKeys,
    minimum_serial: u64,
    /// The highest serials that this node has seen.
    seen: BTreeMap<String, u64>,
    /// The serials accepted in this run.
    counted: Mutex<BTreeMap<String, u64>>,
    digests: Digests,
}

impl Trusted {
    /// Trusts only these keys. `seen` maps the name of each signed file to the highest serial that this node has seen.
    pub fn new(keys: TrustedKeys, minimum_serial: u64, seen: BTreeMap<String, u64>) -> Self {
        Self { keys, minimum_serial, seen, ..Self::default() }
    }

    /// Whether signatures are required.
    pub fn is_on(&self) -> bool {
        !self.keys.is_empty()
    }

    /// The trusted keys.
    pub fn keys(&self) -> &TrustedKeys {
        &self.keys
    }

    /// The digests in signed files. The digests of a lock are added after its verification, before the profile is read.
    pub fn digests(&self) -> &Digests {
        &self.digests
    }

    /// Checks the serial of a signed file, such as the access file (`access`) or the lock of a profile (`lock:family`).
    pub fn check_serial(&self, what: &str, serial: Option<u64>) -> Result<(), Distrust> {
        if !self.is_on() {
            return Ok(());
        }
        serial::check(serial, self.minimum_serial, self.seen.get(what).copied()).map_err(Distrust::Old)?;
        if let Some(serial) = serial {
            self.counted.lock().unwrap_or_else(PoisonError::into_inner).insert(what.to_owned(), serial);
        }
        Ok(())
    }

    /// Checks whether a signed file may be absent: not if this node has seen a serial of it.
    pub fn check_absence(&self, what: &str) -> Result<(), Distrust> {
        match self.seen.get(what).filter(|_| self.is_on()) {
            Some(&serial) => Err(Distrust::Old(OldSerial::Gone(serial))),
            None => Ok(()),
        }
    }

    /// The serials of this run that are higher than the ones seen before.
    pub fn new_serials(&self) -> BTreeMap<String, u64> {
        let counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        let is_new = |(what, serial): &(&String, &u64)| self.seen.get(*what).is_none_or(|seen| seen < *serial);
        counted.iter().filter(is_new).map(|(what, serial)| (what.clone(), *serial)).collect()
    }
}

#[cfg(test)]
mod tests;
