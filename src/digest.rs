//! Digests, as profiles, apt lists and R indexes write them.

use std::{fmt, io, path::Path, str::FromStr};

use md5::Md5;
use serde::{Deserialize, Serialize};
use sha1::Sha1;
use sha2::{Digest as _, Sha256, Sha512};

/// A digest in lower-case hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Digest {
    /// SHA-256, 64 digits.
    Sha256(String),
    /// SHA-512, 128 digits.
    Sha512(String),
    /// SHA-1, 40 digits. Many Maven repositories have nothing better.
    Sha1(String),
    /// MD5, 32 digits. Detects damage but not manipulation. R indexes have nothing better.
    Md5(String),
}

impl Digest {
    /// The SHA-256 of bytes in memory.
    pub fn sha256(bytes: &[u8]) -> Self {
        Self::Sha256(hex(&Sha256::digest(bytes)))
    }

    /// The hexadecimal digits.
    pub fn hex(&self) -> &str {
        match self {
            Self::Sha256(hex) | Self::Sha512(hex) | Self::Sha1(hex) | Self::Md5(hex) => hex,
        }
    }

    /// A hasher for this kind of digest.
    pub fn hasher(&self) -> Hasher {
        match self {
            Self::Sha256(_) => Hasher::Sha256(Sha256::new()),
            Self::Sha512(_) => Hasher::Sha512(Sha512::new()),
            Self::Sha1(_) => Hasher::Sha1(Sha1::new()),
            Self::Md5(_) => Hasher::Md5(Md5::new()),
        }
    }

    /// A hasher for SHA-256.
    pub fn sha256_hasher() -> Hasher {
        Hasher::Sha256(Sha256::new())
    }

    /// The digest of a file, of the same kind as this one.
    pub fn of_file(&self, path: &Path) -> io::Result<Self> {
        read_into(self.hasher(), path)
    }

    /// The SHA-256 of a file.
    pub fn sha256_of_file(path: &Path) -> io::Result<Self> {
        read_into(Self::sha256_hasher(), path)
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sha256(hex) => write!(f, "sha256:{hex}"),
            Self::Sha512(hex) => write!(f, "sha512:{hex}"),
            Self::Sha1(hex) => write!(f, "sha1:{hex}"),
            Self::Md5(hex) => write!(f, "md5:{hex}"),
        }
    }
}

/// The text is not a SHA-256.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a SHA-256: 64 hexadecimal digits are needed")]
pub struct NotADigest(String);

impl FromStr for Digest {
    type Err = NotADigest;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let hex = text.strip_prefix("sha256:").unwrap_or(text);
        if hex.len() == 64 && hex.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            Ok(Self::Sha256(hex.to_ascii_lowercase()))
        } else {
            Err(NotADigest(text.to_owned()))
        }
    }
}

/// An incremental hasher.
#[derive(Debug, Clone)]
pub enum Hasher {
    /// SHA-256.
    Sha256(Sha256),
    /// SHA-512.
    Sha512(Sha512),
    /// SHA-1.
    Sha1(Sha1),
    /// MD5.
    Md5(Md5),
}

impl Hasher {
    /// Adds bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Sha256(hasher) => hasher.update(bytes),
            Self::Sha512(hasher) => hasher.update(bytes),
            Self::Sha1(hasher) => hasher.update(bytes),
            Self::Md5(hasher) => hasher.update(bytes),
        }
    }

    /// The digest of all bytes.
    pub fn finish(self) -> Digest {
        match self {
            Self::Sha256(hasher) => Digest::Sha256(hex(&hasher.finalize())),
            Self::Sha512(hasher) => Digest::Sha512(hex(&hasher.finalize())),
            Self::Sha1(hasher) => Digest::Sha1(hex(&hasher.finalize())),
            Self::Md5(hasher) => Digest::Md5(hex(&hasher.finalize())),
        }
    }
}

fn read_into(mut hasher: Hasher, path: &Path) -> io::Result<Digest> {
    let mut file = std::fs::File::open(path)?;
    let mut buffer = vec![0; 64 << 10];
    loop {
        match io::Read::read(&mut file, &mut buffer)? {
            0 => return Ok(hasher.finish()),
            count => hasher.update(&buffer[..count]),
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    use fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sha256_is_read_with_or_without_its_name() {
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(Digest::sha256(b"").hex(), empty);
        assert_eq!(empty.parse(), Ok(Digest::sha256(b"")));
        assert_eq!(format!("sha256:{}", empty.to_uppercase()).parse(), Ok(Digest::sha256(b"")));
        assert!("abc".parse::<Digest>().is_err());
    }

    #[test]
    fn md5_is_computed_for_r_indexes() {
        let mut hasher = Digest::Md5(String::new()).hasher();
        hasher.update(b"abc");
        assert_eq!(hasher.finish(), Digest::Md5("900150983cd24fb0d6963f7d28e17f72".into()));
    }
}
