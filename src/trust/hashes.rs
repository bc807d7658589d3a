//! The two hashes of a file, taken in one reading: the one that is signed, and the one that names it everywhere else.

use std::io::{self, Read};

use blake2::{Blake2b512, Digest as _};

use crate::digest::Digest;

/// What a signature is over: the BLAKE2b-512 of the bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct Prehash([u8; 64]);

impl Prehash {
    /// Of bytes in memory.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Blake2b512::digest(bytes).into())
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl std::fmt::Debug for Prehash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Prehash({:02x}{:02x}…)", self.0[0], self.0[1])
    }
}

/// Both hashes of one reading: a signature checked against the one vouches for the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hashes {
    /// What a signature is over.
    pub prehash: Prehash,
    /// What the bytes are known by.
    pub sha256: Digest,
}

impl Hashes {
    /// Of all that a reader gives, which may be large.
    pub fn of(mut bytes: impl Read) -> io::Result<Self> {
        let (mut blake, mut sha) = (Blake2b512::new(), Digest::Sha256(String::new()).hasher());
        let mut buffer = vec![0; 64 << 10];
        loop {
            match bytes.read(&mut buffer) {
                Ok(0) => return Ok(Self { prehash: Prehash(blake.finalize().into()), sha256: sha.finish() }),
                Ok(count) => {
                    blake.update(&buffer[..count]);
                    sha.update(&buffer[..count]);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_hashes_are_of_the_same_bytes() {
        let hashes = Hashes::of(&b"abc"[..]).expect("memory");
        assert_eq!((hashes.prehash, hashes.sha256), (Prehash::of(b"abc"), Digest::sha256(b"abc")));
        // RFC 7693, appendix A.
        assert_eq!(format!("{:?}", Prehash::of(b"abc")), "Prehash(ba80…)");
    }
}
