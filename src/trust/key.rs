//! Public keys: 56 characters that begin with `RW`, alone or as the second line of a `.pub` file.

use std::fmt;

use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use base64::{Engine as _, engine::general_purpose::STANDARD};

/// The largest key file, in bytes. A key file has two lines.
pub const MOST_KEY: u64 = 4 << 10;
/// minisign's identifier of Ed25519.
pub(super) const ALGORITHM: [u8; 2] = *b"Ed";

/// The identifier of a key in its signatures. It is chosen at random and proves nothing.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeyId(pub(super) [u8; 8]);

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016X}", u64::from_le_bytes(self.0))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyId({self})")
    }
}

/// A key that verifies signatures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey {
    pub(super) id: KeyId,
    pub(super) point: [u8; 32],
}

/// Why a text is not a public key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BadKey {
    /// Something else, or damaged.
    #[error("it is not a minisign public key")]
    NotAKey,
    /// A secret key.
    #[error("it is a secret key")]
    Secret,
    /// Another algorithm.
    #[error("its algorithm is not supported")]
    Algorithm,
}

impl BadKey {
    /// A hint for the user.
    pub fn hint(&self) -> String {
        match self {
            Self::NotAKey => "a public key is 56 characters that begin with `RW`; `nodeagent sign --generate` and \
                              `minisign -G` print it"
                .to_owned(),
            Self::Secret => "use the file that ends in `.pub`, and keep the secret key private".to_owned(),
            Self::Algorithm => "make a key with `nodeagent sign --generate` or `minisign -G`".to_owned(),
        }
    }
}

impl PublicKey {
    /// Parses a key: the 56 characters, or a file with a comment above them.
    pub fn parse(text: &str) -> Result<Self, BadKey> {
        if text.len() as u64 > MOST_KEY {
            return Err(BadKey::NotAKey);
        }
        let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        let first = lines.next().ok_or(BadKey::NotAKey)?;
        let line = if first.starts_with("untrusted comment:") { lines.next() } else { Some(first) };
        let line = line.filter(|_| lines.next().is_none()).ok_or(BadKey::NotAKey)?;
        if first.contains("secret key") && line.len() > 56 {
            return Err(BadKey::Secret);
        }
        let bytes = STANDARD.decode(line).map_err(|_| BadKey::NotAKey)?;
        let bytes: [u8; 42] = bytes.try_into().map_err(|bytes: Vec<u8>| {
            // A secret key has further fields after the algorithm.
            if bytes.len() == 158 { BadKey::Secret } else { BadKey::NotAKey }
        })?;
        let (algorithm, rest) = bytes.split_at(2);
        if algorithm != ALGORITHM {
            return Err(BadKey::Algorithm);
        }
        let (id, point) = rest.split_at(8);
        let id = KeyId(id.try_into().expect("eight bytes"));
        Ok(Self { id, point: point.try_into().expect("thirty-two bytes") })
    }

    /// The identifier in signatures.
    pub fn id(&self) -> KeyId {
        self.id
    }

    /// The key as a `.pub` file of minisign.
    pub fn to_file(&self) -> String {
        format!("untrusted comment: minisign public key {}\n{self}\n", self.id)
    }

    pub(super) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ED25519, &self.point).verify(message, signature).is_ok()
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = [&ALGORITHM[..], &self.id.0, &self.point].concat();
        f.write_str(&STANDARD.encode(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3";

    #[test]
    fn a_key_is_read_alone_and_from_its_file() {
        let key = PublicKey::parse(KEY).expect("it is one");
        assert_eq!((key.to_string().as_str(), key.id().to_string().as_str()), (KEY, "E7620F1842B4E81F"));
        assert_eq!(PublicKey::parse(&key.to_file()), Ok(key.clone()));
        assert_eq!(PublicKey::parse(&key.to_file().replace('\n', "\r\n")), Ok(key.clone()));
        let beside_its_secret_key = format!("untrusted comment: belongs to the secret key of Family\n{KEY}\n");
        assert_eq!(PublicKey::parse(&beside_its_secret_key), Ok(key.clone()));
        let most = usize::try_from(MOST_KEY).expect("small");
        assert_eq!(PublicKey::parse(&format!("{KEY:most$}")), Ok(key), "the largest file");
    }

    #[test]
    fn each_kind_of_invalid_public_key_has_its_error() {
        let secret = format!("untrusted comment: minisign encrypted secret key\n{}\n", STANDARD.encode([69_u8; 158]));
        for (text, wanted) in [
            ("", BadKey::NotAKey),
            ("RWQ", BadKey::NotAKey),
            (&KEY[..55], BadKey::NotAKey),
            (&KEY[..52], BadKey::NotAKey),
            (&STANDARD.encode([1_u8; 45]), BadKey::NotAKey),
            (&format!("{KEY}\n{KEY}"), BadKey::NotAKey),
            (&format!("{KEY:size$}", size = usize::try_from(MOST_KEY).expect("small") + 1), BadKey::NotAKey),
            (&KEY.replacen("RWQ", "RXQ", 1), BadKey::Algorithm),
            (&secret, BadKey::Secret),
            (&format!("untrusted comment: minisign secret key\n{}", "x".repeat(57)), BadKey::Secret),
            (&STANDARD.encode([69_u8; 158]), BadKey::Secret),
        ] {
            assert_eq!(PublicKey::parse(text), Err(wanted), "{text}");
        }
        for (error, remedy) in
            [(BadKey::NotAKey, "`minisign -G`"), (BadKey::Secret, "`.pub`"), (BadKey::Algorithm, "`minisign -G`")]
        {
            assert!(error.hint().contains(remedy), "{error}");
        }
    }
}
