//! Signatures: four lines beside the file, in a file of its name and `.minisig`.
//!
//! Only prehashed ones count (`ED`, what minisign makes since 0.11 and `nodeagent sign` always). A legacy one (`Ed`) is over
//! the bytes themselves, and nothing that is signed says which of the two it is: who may show either could show the
//! signature of a file as one of the 64 bytes of its hash.

use std::path::{Path, PathBuf};

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::{
    hashes::Prehash,
    key::{KeyId, PublicKey},
};

/// What the name of a signature ends in.
pub const SIGNATURE: &str = "minisig";
/// The longest signature that is read: minisign's own limits for both comments, and the rest.
pub const MOST_SIGNATURE: u64 = 16 << 10;

const UNTRUSTED: &str = "untrusted comment: ";
const TRUSTED: &str = "trusted comment: ";
const LEGACY: [u8; 2] = *b"Ed";
const PREHASHED: [u8; 2] = *b"ED";

/// Where the signature of a file is.
pub fn beside(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".");
    name.push(SIGNATURE);
    name.into()
}

/// A signature, read and not yet believed.
#[derive(Clone, PartialEq, Eq)]
pub struct Signature {
    id: KeyId,
    /// Over the hash of the bytes.
    seal: [u8; 64],
    comment: String,
    /// Over the signature and the comment.
    whole: [u8; 64],
}

/// Why a file is no signature that can be checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Malformed {
    /// More than any signature has.
    #[error("it is longer than a signature can be")]
    TooLong,
    /// Not text.
    #[error("it is not text")]
    NotText,
    /// Not four lines.
    #[error("it does not have the four lines of a signature")]
    Lines,
    /// A comment that does not begin as it should, or holds what cannot be shown.
    #[error("a comment in it is not one of minisign")]
    Comment,
    /// Not base64, or of another length.
    #[error("a line of it is damaged")]
    Damaged,
    /// Neither of the two known kinds.
    #[error("it is of a kind that is not known here")]
    Algorithm,
    /// Over the bytes themselves.
    #[error("it is of minisign's old kind, which is not accepted")]
    Legacy,
}

impl Signature {
    /// Reads a signature as minisign writes it, and nothing beside it.
    pub fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        if bytes.len() as u64 > MOST_SIGNATURE {
            return Err(Malformed::TooLong);
        }
        let text = std::str::from_utf8(bytes).map_err(|_| Malformed::NotText)?;
        let text = text.strip_suffix('\n').unwrap_or(text);
        let lines: Vec<&str> = text.split('\n').map(|line| line.strip_suffix('\r').unwrap_or(line)).collect();
        let [untrusted, signature, comment, whole] = lines[..] else { return Err(Malformed::Lines) };
        let comment = comment.strip_prefix(TRUSTED).ok_or(Malformed::Comment)?;
        if !untrusted.starts_with(UNTRUSTED) || comment.chars().any(|c| c.is_control() && c != '\t') {
            return Err(Malformed::Comment);
        }
        let bytes: [u8; 74] = decoded(signature)?;
        let (algorithm, rest) = bytes.split_at(2);
        if algorithm == LEGACY {
            return Err(Malformed::Legacy);
        }
        if algorithm != PREHASHED {
            return Err(Malformed::Algorithm);
        }
        let (id, seal) = rest.split_at(8);
        Ok(Self {
            id: KeyId(id.try_into().expect("eight bytes")),
            seal: seal.try_into().expect("sixty-four bytes"),
            comment: comment.to_owned(),
            whole: decoded(whole)?,
        })
    }

    pub(super) fn made(id: KeyId, comment: &str, sign: impl Fn(&[u8]) -> [u8; 64], hash: &Prehash) -> Self {
        let seal = sign(hash.bytes());
        let whole = sign(&[&seal[..], comment.as_bytes()].concat());
        Self { id, seal, comment: comment.to_owned(), whole }
    }

    /// The file of it.
    pub fn to_file(&self) -> String {
        let signature = STANDARD.encode([&PREHASHED[..], &self.id.0, &self.seal].concat());
        let (comment, whole) = (&self.comment, STANDARD.encode(self.whole));
        format!("{UNTRUSTED}signature by nodeagent\n{signature}\n{TRUSTED}{comment}\n{whole}\n")
    }

    /// The key it says it was made with.
    pub fn id(&self) -> KeyId {
        self.id
    }

    /// What its maker says, once [`Signature::comment_is_of`] has shown that it is theirs.
    pub(super) fn comment(&self) -> &str {
        &self.comment
    }

    pub(super) fn is_of(&self, key: &PublicKey, hash: &Prehash) -> bool {
        key.verifies(hash.bytes(), &self.seal)
    }

    pub(super) fn comment_is_of(&self, key: &PublicKey) -> bool {
        key.verifies(&[&self.seal[..], self.comment.as_bytes()].concat(), &self.whole)
    }

    /// The files that the comment says it is for; one that says none is for any.
    pub(super) fn files(&self) -> impl Iterator<Item = &str> {
        self.comment.split('\t').filter_map(|field| field.strip_prefix("file:"))
    }
}

impl std::fmt::Debug for Signature {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Signature({}, {:?})", self.id, self.comment)
    }
}

/// The comment that minisign signs along, with the file's name and a few words of the signer.
pub fn trusted_comment(seconds: i64, file: &str, words: Option<&str>) -> String {
    let words = words.map(|words| format!("\t{words}")).unwrap_or_default();
    format!("timestamp:{seconds}\tfile:{file}\thashed{words}")
}

/// Whether the last parts of a path are those that a signature names. The file's own name counts to the letter; the
/// folders of units are found without case, and so it is here.
pub(super) fn is_named(path: &Path, named: &str) -> bool {
    let mut wanted = Path::new(named).components().rev();
    let mut found = path.components().rev();
    if wanted.next().is_none_or(|name| found.next() != Some(name)) {
        return false;
    }
    wanted.all(|name| found.next().is_some_and(|found| found.as_os_str().eq_ignore_ascii_case(name.as_os_str())))
}

fn decoded<const N: usize>(line: &str) -> Result<[u8; N], Malformed> {
    let bytes = STANDARD.decode(line).map_err(|_| Malformed::Damaged)?;
    bytes.try_into().map_err(|_| Malformed::Damaged)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_for_the_path_that_it_names() {
        let path = Path::new("/dbfs/FileStore/Family/init_scripts/family.toml");
        for name in ["family.toml", "init_scripts/family.toml", "FAMILY/init_scripts/family.toml"] {
            assert!(is_named(path, name), "{name}");
        }
        for name in ["", "Family.toml", "nightly.toml", "Criminal/init_scripts/family.toml", "ily.toml", "/family.toml"]
        {
            assert!(!is_named(path, name), "{name}");
        }
    }

    #[test]
    fn a_signature_is_beside_its_file() {
        assert_eq!(beside(Path::new("/a/b.toml")), Path::new("/a/b.toml.minisig"));
    }
}
