//! What a run believes: trusted keys, digests that something signed names, serials.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use super::{
    hashes::Prehash,
    key::{KeyId, PublicKey},
    serial::{self, OldSerial},
    signature::{self, Malformed, Signature},
};
use crate::digest::Digest;

/// The keys whose signatures count.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TrustedKeys(Vec<PublicKey>);

/// Who signed, and what they said of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    /// With which key.
    pub key: KeyId,
    /// The comment that was signed along.
    pub comment: String,
}

/// Why a file does not count.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Distrust {
    /// No signature beside it.
    #[error("it has no signature")]
    NoSignature,
    /// Neither a signature beside it nor a digest in something signed.
    #[error("it has neither a digest in something signed nor a signature of its own")]
    NoDigest,
    /// The signature could not be read.
    #[error("its signature could not be read: {0}")]
    Unread(String),
    /// The file itself could not be read.
    #[error("it could not be read: {0}")]
    UnreadFile(String),
    /// What is there is no signature.
    #[error("its signature does not count: {0}")]
    Malformed(Malformed),
    /// By a key that is not trusted.
    #[error("it is signed with the key {0}, which is not trusted")]
    UnknownKey(KeyId),
    /// Not what was signed.
    #[error("it is not what was signed with the key {0}")]
    BadSignature(KeyId),
    /// The same but for the ends of its lines.
    #[error("the ends of its lines are not those that were signed with the key {0}")]
    LineEnds(KeyId),
    /// The comment that is signed along was changed.
    #[error("the comment of its signature is not what was signed with the key {0}")]
    BadComment(KeyId),
    /// Signed under another name.
    #[error("its signature is for `{0}`")]
    OtherFile(String),
    /// Its digest is not the one that something signed names.
    #[error("it has {found}, and {named} is named for it")]
    WrongDigest {
        /// What it has.
        found: Digest,
        /// What it should have.
        named: Digest,
    },
    /// Signed, and out of date.
    #[error(transparent)]
    Old(OldSerial),
}

impl Distrust {
    /// What to do, for a file of this name.
    pub fn hint(&self, file: &str) -> String {
        match self {
            Self::NoSignature => format!("`nodeagent sign {file} --key KEY` makes `{file}.minisig`; put it beside the file"),
            Self::NoDigest => "write its `sha256` into the profile and sign that, or sign the file itself".to_owned(),
            Self::Unread(_) => format!("`{file}.minisig` must be a small plain file that the agent may read"),
            Self::UnreadFile(_) => "check the path and the file's permissions".to_owned(),
            Self::Malformed(Malformed::Legacy) => {
                "sign it again with `nodeagent sign`, or with minisign 0.11 or later and without `-l`".to_owned()
            }
            Self::Malformed(_) => "sign the file again".to_owned(),
            Self::UnknownKey(_) => {
                "ask who signed it; if the key is theirs, name it by `--trusted-key` or in /etc/nodeagent.toml".to_owned()
            }
            Self::LineEnds(_) => {
                "something turned line feeds into CR LF on the way, such as git's `autocrlf`: copy the file as it was signed"
                    .to_owned()
            }
            Self::BadSignature(_) | Self::BadComment(_) => {
                "the file or its signature was changed after it was signed: restore both, or look at the change and sign \
                 it again"
                    .to_owned()
            }
            Self::OtherFile(_) => "a signed file was put in the place of another: restore the one that belongs here".to_owned(),
            Self::WrongDigest { .. } => {
                "the file was changed or damaged; restore it, or name its new digest after checking it".to_owned()
            }
            Self::Old(old) => old.hint(),
        }
    }
}

impl TrustedKeys {
    /// These keys.
    pub fn new(keys: Vec<PublicKey>) -> Self {
        Self(keys)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a key is among them.
    pub fn has(&self, key: &PublicKey) -> bool {
        self.0.contains(key)
    }

    /// Checks bytes against the signature beside them; `path` is where the bytes were found.
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

    /// The same for bytes that were hashed while they were read.
    pub fn check_hashed(&self, path: &Path, hash: &Prehash, signature: Option<&[u8]>) -> Result<Signed, Distrust> {
        let signature = Signature::parse(signature.ok_or(Distrust::NoSignature)?).map_err(Distrust::Malformed)?;
        let id = signature.id();
        // A number is no proof: two keys may have the same.
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

/// The bytes with plain line feeds, if they have others.
fn with_plain_line_ends(bytes: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(bytes).ok().filter(|text| text.contains("\r\n"))?;
    Some(text.replace("\r\n", "\n").into_bytes())
}

/// Digests that something signed names: whoever has one of them counts as signed.
#[derive(Debug, Default)]
pub struct Digests(Mutex<BTreeMap<Digest, String>>);

impl Digests {
    /// Adds a digest; `named_by` is the signed file, for people. Only what was checked may add.
    pub fn add(&self, digest: Digest, named_by: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(digest).or_insert_with(|| named_by.to_owned());
    }

    /// The signed file that names a digest.
    pub fn named_by(&self, digest: &Digest) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(digest).cloned()
    }
}

/// What a run believes. Without trusted keys it believes whatever is in the file store.
#[derive(Debug, Default)]
pub struct Trusted {
    keys: TrustedKeys,
    minimum_serial: u64,
    /// The highest serials that this node has seen.
    seen: BTreeMap<String, u64>,
    /// Those that counted in this run.
    counted: Mutex<BTreeMap<String, u64>>,
    digests: Digests,
    packages: AtomicBool,
}

impl Trusted {
    /// Only these keys count. `seen` has the highest serials that this node has met, by what carried them.
    pub fn new(keys: TrustedKeys, minimum_serial: u64, seen: BTreeMap<String, u64>) -> Self {
        Self { keys, minimum_serial, seen, ..Self::default() }
    }

    /// Whether anything has to be signed.
    pub fn is_on(&self) -> bool {
        !self.keys.is_empty()
    }

    /// The keys.
    pub fn keys(&self) -> &TrustedKeys {
        &self.keys
    }

    /// The digests that something signed names. A lock adds its own here, after it was checked and before a profile is
    /// read.
    pub fn digests(&self) -> &Digests {
        &self.digests
    }

    /// From here on every package has a digest in something signed: a lock says so, which fits the node.
    pub fn packages_are_locked(&self) {
        self.packages.store(true, Ordering::Release);
    }

    /// Whether what is fetched by its name alone is refused.
    pub fn needs_digests(&self) -> bool {
        self.is_on() && !self.packages.load(Ordering::Acquire)
    }

    /// Judges the serial of something signed, such as the access file (`access`) or the lock of a profile
    /// (`lock:family`).
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

    /// Whether something may be absent: not when this node has seen it with a serial.
    pub fn check_absence(&self, what: &str) -> Result<(), Distrust> {
        match self.seen.get(what).filter(|_| self.is_on()) {
            Some(&serial) => Err(Distrust::Old(OldSerial::Gone(serial))),
            None => Ok(()),
        }
    }

    /// The serials of this run that are higher than any before.
    pub fn news(&self) -> BTreeMap<String, u64> {
        let counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        let is_new = |(what, serial): &(&String, &u64)| self.seen.get(*what).is_none_or(|seen| seen < *serial);
        counted.iter().filter(is_new).map(|(what, serial)| (what.clone(), *serial)).collect()
    }
}

#[cfg(test)]
mod tests;
