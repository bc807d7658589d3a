//! The two hashes of a file from one read: `BLAKE2b` for the signature, SHA-256 for all other purposes.

use std::io::{self, Read};

use blake2::{Blake2b512, Digest as _};

use crate::digest::Digest;

/// The BLAKE2b-512 of a file, which minisign signs.
#[derive(Clone, PartialEq, Eq)]
pub struct Prehash([u8; 64]);

impl Prehash {
    /// The hash of bytes in memory.
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

/// Both hashes of the same bytes. A signature of the first also confirms the second.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hashes {
    /// The hash that is signed.
    pub prehash: Prehash,
    /// The SHA-256.
    pub sha256: Digest,
}

impl Hashes {
    /// Hashes everything that a reader returns, which may be large.
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

    /// A reader whose first read fails.
    struct Failing(Option<io::ErrorKind>);

    impl Read for Failing {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            self.0.take().map_or(Ok(0), |kind| Err(kind.into()))
        }
    }

    #[test]
    fn an_interrupted_read_is_repeated_and_other_errors_are_returned() {
        let read = |kind| Hashes::of(Failing(Some(kind)).chain(&b"abc"[..])).map_err(|error| error.kind());
        assert_eq!(read(io::ErrorKind::Interrupted).map(|hashes| hashes.prehash), Ok(Prehash::of(b"abc")));
        assert_eq!(read(io::ErrorKind::PermissionDenied), Err(io::ErrorKind::PermissionDenied));
    }

    #[test]
    fn both_hashes_are_of_the_same_bytes() {
        let hashes = Hashes::of(&b"abc"[..]).expect("memory");
        assert_eq!((hashes.prehash, hashes.sha256), (Prehash::of(b"abc"), Digest::sha256(b"abc")));
        // RFC 7693, appendix A.
        assert_eq!(format!("{:?}", Prehash::of(b"abc")), "Prehash(ba80…)");
    }
}
