//! Signatures: four lines in a file with the suffix `.minisig`, beside the signed file.
//!
//! Only prehashed signatures (`ED`) are accepted; minisign makes them since 0.11, and `nodeagent sign` always does. A
//! legacy signature (`Ed`) covers the bytes themselves, and the kind is not part of the signed data. The signature of a
//! 64-byte file could therefore be presented as the signature of a file with that hash.

use std::path::{Path, PathBuf};

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::{
    hashes::Prehash,
    key::{KeyId, PublicKey},
};

/// The suffix of a signature file.
pub const SIGNATURE: &str = "minisig";
/// The largest signature file, in bytes: minisign's limits for both comments, and the rest.
pub const MOST_SIGNATURE: u64 = 16 << 10;

const UNTRUSTED: &str = "untrusted comment: ";
const TRUSTED: &str = "trusted comment: ";
const LEGACY: [u8; 2] = *b"Ed";
const PREHASHED: [u8; 2] = *b"ED";

/// The path of a file's signature.
pub fn beside(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".");
    name.push(SIGNATURE);
    name.into()
}

/// A signature that was parsed but not verified.
#[derive(Clone, PartialEq, Eq)]
pub struct Signature {
    id: KeyId,
    /// The signature of the file's hash.
    seal: [u8; 64],
    comment: String,
    /// The signature of `seal` and the comment.
    whole: [u8; 64],
}

/// Why a file is not a valid signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Malformed {
    /// Longer than any signature.
    #[error("it is longer than a signature can be")]
    TooLong,
    /// Not UTF-8.
    #[error("it is not text")]
    NotText,
    /// Not four lines.
    #[error("it does not have the four lines of a signature")]
    Lines,
    /// A comment without its prefix, or with control characters.
    #[error("it has an invalid comment")]
    Comment,
    /// Invalid base64, or a wrong length.
    #[error("one of its lines is damaged")]
    Damaged,
    /// An unknown algorithm.
    #[error("its algorithm is not supported")]
    Algorithm,
    /// A legacy signature.
    #[error("it is a legacy minisign signature, which is not accepted")]
    Legacy,
}

impl Signature {
    /// Parses a signature as minisign writes it. Anything else in the file is an error.
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

    /// The signature as a file.
    pub fn to_file(&self) -> String {
        let signature = STANDARD.encode([&PREHASHED[..], &self.id.0, &self.seal].concat());
        let (comment, whole) = (&self.comment, STANDARD.encode(self.whole));
        format!("{UNTRUSTED}signature by nodeagent\n{signature}\n{TRUSTED}{comment}\n{whole}\n")
    }

    /// The identifier of the key.
    pub fn id(&self) -> KeyId {
        self.id
    }

    /// The trusted comment. Call [`Signature::comment_is_of`] first to verify it.
    pub(super) fn comment(&self) -> &str {
        &self.comment
    }

    pub(super) fn is_of(&self, key: &PublicKey, hash: &Prehash) -> bool {
        key.verifies(hash.bytes(), &self.seal)
    }

    pub(super) fn comment_is_of(&self, key: &PublicKey) -> bool {
        key.verifies(&[&self.seal[..], self.comment.as_bytes()].concat(), &self.whole)
    }

    /// The file names in the comment. Without any, the signature is valid for every file.
    pub(super) fn files(&self) -> impl Iterator<Item = &str> {
        self.comment.split('\t').filter_map(|field| field.strip_prefix("file:"))
    }
}

impl std::fmt::Debug for Signature {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Signature({}, {:?})", self.id, self.comment)
    }
}

/// The trusted comment that minisign writes, with the file's name and a text of the signer.
pub fn trusted_comment(seconds: i64, file: &str, words: Option<&str>) -> String {
    let words = words.map(|words| format!("\t{words}")).unwrap_or_default();
    format!("timestamp:{seconds}\tfile:{file}\thashed{words}")
}

/// Whether a path ends in the signed name. The file name is compared exactly. Folders are compared without case,
/// because folders of business units are found without case.
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
    fn a_signature_is_valid_only_for_its_path() {
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
    fn a_signature_of_the_largest_size_is_read() {
        let key = crate::trust::SecretKey::generate().expect("random numbers");
        let file = key.sign(&Prehash::of(b"x"), "x").expect("it signs").to_file();
        let of_size = |size: u64| {
            let more = "x".repeat(usize::try_from(size).expect("small") - file.len());
            Signature::parse(file.replacen('\n', &format!("{more}\n"), 1).as_bytes()).map(|signature| signature.id())
        };
        assert_eq!(of_size(MOST_SIGNATURE), Ok(key.public().id()));
        assert_eq!(of_size(MOST_SIGNATURE + 1), Err(Malformed::TooLong));
    }

    #[test]
    fn a_signature_is_beside_its_file() {
        assert_eq!(beside(Path::new("/a/b.toml")), Path::new("/a/b.toml.minisig"));
    }
}
