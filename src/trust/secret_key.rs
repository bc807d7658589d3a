//! Secret keys in minisign's format, encrypted with a password or not. Messages and `Debug` contain no key bytes, and
//! keys are wiped after use.

use std::fmt;

use aws_lc_rs::{
    rand,
    signature::{Ed25519KeyPair, KeyPair as _},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use blake2::{Blake2b256, Digest as _};
use secrecy::zeroize::{Zeroize as _, Zeroizing};

use super::{
    hashes::Prehash,
    key::{ALGORITHM, KeyId, PublicKey},
    signature::Signature,
};
use crate::redact::Secret;

const COMMENT: &str = "untrusted comment: ";
const PASSWORD: [u8; 2] = *b"Sc";
const OPEN: [u8; 2] = [0; 2];
const CHECKSUM: [u8; 2] = *b"B2";
/// The cost of a new key's password: 128 MiB and less than a second. minisign can read such keys.
const WORK: u64 = 4 << 20;
const MEMORY: u64 = 128 << 20;
/// The highest cost that a key file may ask for, the same as for minisign's own keys.
const MAX_WORK: u64 = 32 << 20;
const MAX_MEMORY: u64 = 1 << 30;

/// The fields of a key file, as byte ranges.
mod part {
    use std::ops::Range;

    pub(super) const ALGORITHM: Range<usize> = 0..2;
    pub(super) const CIPHER: Range<usize> = 2..4;
    pub(super) const CHECKSUM_KIND: Range<usize> = 4..6;
    pub(super) const SALT: Range<usize> = 6..38;
    pub(super) const WORK: Range<usize> = 38..46;
    pub(super) const MEMORY: Range<usize> = 46..54;
    pub(super) const ID: Range<usize> = 54..62;
    pub(super) const KEY: Range<usize> = 62..126;
    pub(super) const CHECKSUM: Range<usize> = 126..158;
    /// The part that is encrypted.
    pub(super) const ENCRYPTED: Range<usize> = 54..158;
    pub(super) const ALL: usize = 158;
}

/// A key file that was parsed but not decrypted.
pub struct LockedKey(Zeroizing<[u8; part::ALL]>);

/// A key that signs.
pub struct SecretKey {
    id: KeyId,
    /// Seed and public key.
    bytes: Zeroizing<[u8; 64]>,
}

impl fmt::Debug for LockedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LockedKey([redacted])")
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretKey({}, [redacted])", self.id)
    }
}

/// Why a secret key cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BadSecretKey {
    /// Something else.
    #[error("it is not a minisign secret key")]
    NotAKey,
    /// A public key.
    #[error("it is a public key")]
    Public,
    /// Another cipher or checksum.
    #[error("its algorithm is not supported")]
    Kind,
    /// The password hash costs more than for any key of minisign.
    #[error("its password hash costs more than that of any minisign key")]
    TooMuchWork,
    /// The password is wrong, or the bytes are damaged.
    #[error("the password is wrong, or the key is damaged")]
    WrongPassword,
    /// An unencrypted key that is damaged.
    #[error("the key is damaged")]
    Damaged,
    /// The password is missing.
    #[error("the key has a password")]
    NeedsPassword,
    /// The operating system returned no random bytes.
    #[error("the operating system returned no random numbers")]
    NoRandom,
}

impl BadSecretKey {
    /// A hint for the user.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::NotAKey => "use the file of a secret key: `nodeagent sign --generate PATH` creates one",
            Self::Public => "use the file without `.pub`: only the secret key can sign",
            Self::WrongPassword => "try again; a lost password cannot be recovered",
            Self::Damaged => "restore the file from your backup",
            Self::NeedsPassword => "run the command in a terminal, or use `--password-file`",
            Self::Kind | Self::TooMuchWork | Self::NoRandom => return None,
        };
        Some(hint.to_owned())
    }
}

impl LockedKey {
    /// Parses a key file. The encoded key is redacted from here on.
    pub fn parse(mut file: Vec<u8>) -> Result<Self, BadSecretKey> {
        let read = Self::read(&file);
        file.zeroize();
        read
    }

    fn read(file: &[u8]) -> Result<Self, BadSecretKey> {
        let text = std::str::from_utf8(file).map_err(|_| BadSecretKey::NotAKey)?;
        let mut lines = text.lines().filter(|line| !line.trim().is_empty());
        let comment = lines.next().filter(|line| line.starts_with(COMMENT)).ok_or(BadSecretKey::NotAKey)?;
        let line = lines.next().filter(|_| lines.next().is_none()).ok_or(BadSecretKey::NotAKey)?.trim();
        if PublicKey::parse(&format!("{comment}\n{line}")).is_ok() {
            return Err(BadSecretKey::Public);
        }
        let _known = Secret::new(line.as_bytes().to_vec());
        let decoded = Zeroizing::new(STANDARD.decode(line).map_err(|_| BadSecretKey::NotAKey)?);
        let mut bytes = Zeroizing::new([0; part::ALL]);
        if decoded.len() != bytes.len() {
            return Err(BadSecretKey::NotAKey);
        }
        bytes.copy_from_slice(&decoded);
        let is_known = [PASSWORD, OPEN].iter().any(|cipher| bytes[part::CIPHER] == *cipher);
        if bytes[part::ALGORITHM] != ALGORITHM || bytes[part::CHECKSUM_KIND] != CHECKSUM || !is_known {
            return Err(BadSecretKey::Kind);
        }
        Ok(Self(bytes))
    }

    /// Whether the key is encrypted.
    pub fn has_password(&self) -> bool {
        self.0[part::CIPHER] == PASSWORD
    }

    /// Decrypts the key. An unencrypted key needs no password.
    pub fn unlock(mut self, password: Option<&Secret>) -> Result<SecretKey, BadSecretKey> {
        let wrong = if self.has_password() { BadSecretKey::WrongPassword } else { BadSecretKey::Damaged };
        if self.has_password() {
            self.apply_keystream(password.ok_or(BadSecretKey::NeedsPassword)?)?;
        }
        // minisign writes no checksum into an unencrypted key. The two halves are compared below instead.
        let has_none = !self.has_password() && self.0[part::CHECKSUM].iter().all(|byte| *byte == 0);
        if !has_none && checksum(&self.0)[..] != self.0[part::CHECKSUM] {
            return Err(wrong);
        }
        let mut bytes = Zeroizing::new([0; 64]);
        bytes.copy_from_slice(&self.0[part::KEY]);
        let key = SecretKey { id: KeyId(self.0[part::ID].try_into().expect("eight bytes")), bytes };
        // A signature with a public key that does not match could reveal the secret key.
        key.pair().map(|_| key)
    }

    /// Encrypts or decrypts the secret part: XOR with a stream derived from the password.
    fn apply_keystream(&mut self, password: &Secret) -> Result<(), BadSecretKey> {
        let number = |range: std::ops::Range<usize>| u64::from_le_bytes(self.0[range].try_into().expect("eight bytes"));
        let parameters = cost(number(part::WORK), number(part::MEMORY))?;
        let mut stream = Zeroizing::new(vec![0; part::ENCRYPTED.len()]);
        scrypt::scrypt(password.reveal(), &self.0[part::SALT], &parameters, &mut stream[..])
            .map_err(|_| BadSecretKey::Kind)?;
        self.0[part::ENCRYPTED].iter_mut().zip(stream.iter()).for_each(|(byte, mask)| *byte ^= mask);
        Ok(())
    }
}

impl SecretKey {
    /// Generates a key.
    pub fn generate() -> Result<Self, BadSecretKey> {
        let (mut id, mut bytes) = ([0; 8], Zeroizing::new([0; 64]));
        let random = |into: &mut [u8]| rand::fill(into).map_err(|_| BadSecretKey::NoRandom);
        random(&mut id)?;
        random(&mut bytes[..32])?;
        let pair = Ed25519KeyPair::from_seed_unchecked(&bytes[..32]).map_err(|_| BadSecretKey::Damaged)?;
        bytes[32..].copy_from_slice(pair.public_key().as_ref());
        Ok(Self { id: KeyId(id), bytes })
    }

    /// The public key.
    pub fn public(&self) -> PublicKey {
        PublicKey { id: self.id, point: self.bytes[32..].try_into().expect("thirty-two bytes") }
    }

    /// The key file, encrypted if there is a password.
    pub fn to_file(&self, password: Option<&Secret>) -> Result<Zeroizing<String>, BadSecretKey> {
        let mut key = LockedKey(Zeroizing::new([0; part::ALL]));
        let bytes = &mut key.0;
        bytes[part::ALGORITHM].copy_from_slice(&ALGORITHM);
        bytes[part::CHECKSUM_KIND].copy_from_slice(&CHECKSUM);
        bytes[part::ID].copy_from_slice(&self.id.0);
        bytes[part::KEY].copy_from_slice(&self.bytes[..]);
        let checksum = checksum(bytes);
        bytes[part::CHECKSUM].copy_from_slice(&checksum[..]);
        let mut kind = "unencrypted";
        if let Some(password) = password {
            kind = "encrypted";
            bytes[part::CIPHER].copy_from_slice(&PASSWORD);
            rand::fill(&mut bytes[part::SALT]).map_err(|_| BadSecretKey::NoRandom)?;
            bytes[part::WORK].copy_from_slice(&WORK.to_le_bytes());
            bytes[part::MEMORY].copy_from_slice(&MEMORY.to_le_bytes());
            key.apply_keystream(password)?;
        }
        let line = Zeroizing::new(STANDARD.encode(&key.0[..]));
        let _known = Secret::new(line.as_bytes().to_vec());
        Ok(Zeroizing::new(format!("{COMMENT}minisign {kind} secret key\n{}\n", *line)))
    }

    /// Signs a hash and a comment.
    pub fn sign(&self, hash: &Prehash, comment: &str) -> Result<Signature, BadSecretKey> {
        let pair = self.pair()?;
        let sign = |message: &[u8]| pair.sign(message).as_ref().try_into().expect("sixty-four bytes");
        Ok(Signature::made(self.id, comment, sign, hash))
    }

    fn pair(&self) -> Result<Ed25519KeyPair, BadSecretKey> {
        let (seed, public) = self.bytes.split_at(32);
        Ed25519KeyPair::from_seed_and_public_key(seed, public).map_err(|_| BadSecretKey::Damaged)
    }
}

fn checksum(bytes: &[u8; part::ALL]) -> Zeroizing<[u8; 32]> {
    let hashed = Blake2b256::new()
        .chain_update(&bytes[part::ALGORITHM])
        .chain_update(&bytes[part::ID])
        .chain_update(&bytes[part::KEY]);
    Zeroizing::new(hashed.finalize().into())
}

/// The scrypt parameters for the two limits in a key file, by the rule of libsodium, which all minisign tools follow.
/// <https://github.com/jedisct1/libsodium/blob/master/src/libsodium/crypto_pwhash/scryptsalsa208sha256/pwhash_scryptsalsa208sha256.c>
fn cost(work: u64, memory: u64) -> Result<scrypt::Params, BadSecretKey> {
    const BLOCKS: u64 = 8;
    if work > MAX_WORK || memory > MAX_MEMORY {
        return Err(BadSecretKey::TooMuchWork);
    }
    let work = work.max(32_768);
    let is_bound_by_work = work < memory / 32;
    let largest = if is_bound_by_work { work / (BLOCKS * 4) } else { memory / (BLOCKS * 128) };
    let exponent = (1_u8..63).find(|exponent| 1_u64 << exponent > largest / 2).unwrap_or(63);
    let lanes = if is_bound_by_work { 1 } else { ((work / 4) >> exponent) / BLOCKS };
    let lanes = u32::try_from(lanes).map_err(|_| BadSecretKey::TooMuchWork)?;
    scrypt::Params::new(exponent, 8, lanes).map_err(|_| BadSecretKey::Kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn password(text: &str) -> Secret {
        Secret::from(text.to_owned())
    }

    #[test]
    fn an_encrypted_key_needs_its_password() {
        let key = SecretKey::generate().expect("random numbers");
        let file = key.to_file(Some(&password("hunter22"))).expect("it can be hidden");
        let read = || LockedKey::parse(file.as_bytes().to_vec()).expect("a key");
        assert!(read().has_password());
        let again = read().unlock(Some(&password("hunter22"))).expect("the password is right");
        assert_eq!((again.public(), &again.bytes[..]), (key.public(), &key.bytes[..]));
        assert_eq!(read().unlock(Some(&password("hunter23"))).err(), Some(BadSecretKey::WrongPassword));
        assert_eq!(read().unlock(None).err(), Some(BadSecretKey::NeedsPassword));
    }

    #[test]
    fn an_unencrypted_key_is_verified() {
        let key = SecretKey::generate().expect("random numbers");
        let file = key.to_file(None).expect("it can be written");
        let again = LockedKey::parse(file.as_bytes().to_vec()).expect("a key").unlock(None).expect("no password");
        assert_eq!(again.public(), key.public());
        let line = file.lines().nth(1).expect("two lines");
        let bytes = STANDARD.decode(line).expect("base64");
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            let file = format!("untrusted comment: x\n{}\n", STANDARD.encode(&changed));
            let result = LockedKey::parse(file.into_bytes()).and_then(|key| key.unlock(None));
            // The password parameters are not used without a password, and no checksum covers them.
            let is_unused = (part::SALT.start..part::MEMORY.end).contains(&at);
            assert_eq!(result.is_ok(), is_unused, "byte {at}");
        }
        let mut as_minisign_writes_it = bytes;
        as_minisign_writes_it[part::CHECKSUM].fill(0);
        let parse = |bytes: &[u8]| {
            let file = format!("untrusted comment: x\n{}\n", STANDARD.encode(bytes));
            LockedKey::parse(file.into_bytes()).and_then(|key| key.unlock(None))
        };
        assert!(parse(&as_minisign_writes_it).is_ok());
        as_minisign_writes_it[part::KEY.start] ^= 1;
        assert_eq!(parse(&as_minisign_writes_it).err(), Some(BadSecretKey::Damaged), "its halves do not fit");
    }

    #[test]
    fn secret_keys_are_not_printed_and_are_redacted() {
        let key = SecretKey::generate().expect("random numbers");
        let file = key.to_file(None).expect("it can be written");
        let line = file.lines().nth(1).expect("two lines");
        assert_eq!(format!("{key:?}"), format!("SecretKey({}, [redacted])", key.public().id()));
        let locked = LockedKey::parse(file.as_bytes().to_vec()).expect("a key");
        assert_eq!(format!("{locked:?}"), "LockedKey([redacted])");
        assert_eq!(crate::redact::text(line), "[redacted]");
        let public = key.public().to_string();
        assert_eq!(crate::redact::text(&public), public, "the public key is not secret");
    }

    #[test]
    fn the_scrypt_parameters_equal_those_of_libsodium() {
        let parameters = |work, memory| cost(work, memory).map(|found| (found.log_n(), found.r(), found.p()));
        assert_eq!(parameters(33_554_432, 1 << 30), Ok((20, 8, 1)), "minisign's own keys");
        assert_eq!(parameters(1 << 20, 32 << 20), Ok((15, 8, 1)), "those of rsign");
        assert_eq!(parameters(WORK, MEMORY), Ok((17, 8, 1)), "ours");
        assert_eq!(parameters(4 << 20, 32 << 20), Ok((15, 8, 4)), "limited by the memory");
        assert_eq!(parameters(32_768, 16 << 20), Ok((10, 8, 1)), "limited by the work");
        assert_eq!(parameters(1 << 40, 1 << 20), Err(BadSecretKey::TooMuchWork));
        assert_eq!(parameters(1 << 20, 1 << 40), Err(BadSecretKey::TooMuchWork));
    }

    #[test]
    fn a_key_with_mismatched_halves_is_refused() {
        let (one, other) = (SecretKey::generate().expect("random"), SecretKey::generate().expect("random"));
        let mut mixed = SecretKey { id: one.id, bytes: one.bytes.clone() };
        mixed.bytes[32..].copy_from_slice(&other.bytes[32..]);
        assert_eq!(mixed.sign(&Prehash::of(b"x"), "x").err(), Some(BadSecretKey::Damaged));
    }

    #[test]
    fn each_kind_of_invalid_secret_key_has_its_error() {
        let public = SecretKey::generate().expect("random").public().to_file();
        let parse = |text: &str| LockedKey::parse(text.as_bytes().to_vec()).err();
        assert_eq!(parse(&public), Some(BadSecretKey::Public));
        assert_eq!(parse("x"), Some(BadSecretKey::NotAKey));
        for (error, remedy) in [
            (BadSecretKey::NotAKey, Some("`nodeagent sign --generate PATH`")),
            (BadSecretKey::NeedsPassword, Some("`--password-file`")),
            (BadSecretKey::NoRandom, None),
        ] {
            let hint = error.hint();
            assert_eq!(hint.as_deref().zip(remedy).map(|(hint, remedy)| hint.contains(remedy)), remedy.map(|_| true));
            assert_eq!(hint.is_some(), remedy.is_some(), "{error}");
        }
        assert_eq!(parse("untrusted comment: x\nRWQ=\n"), Some(BadSecretKey::NotAKey));
    }
}
