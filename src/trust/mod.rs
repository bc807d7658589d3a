//! Keys and signatures in minisign's format, and the trust that follows from them.
//! <https://jedisct1.github.io/minisign/#signature-format>
//!
//! The cryptography comes from crates that TLS and the digests use already (Ed25519 of AWS-LC, `BLAKE2b` and scrypt of
//! `RustCrypto`). The `minisign` crate is not used: it leaves secret keys and passwords in memory, prints keys in
//! `Debug`, and cannot read keys without a password that minisign made. Both it and `minisign-verify` accept signatures
//! with trailing data.
//!
//! This module reads no files. Callers pass the bytes, so that the verified bytes are the ones that are used.

mod hashes;
mod key;
mod secret_key;
mod serial;
mod signature;
mod trusted;

pub use self::{
    hashes::{Hashes, Prehash},
    key::{BadKey, KeyId, MOST_KEY, PublicKey},
    secret_key::{BadSecretKey, LockedKey, SecretKey},
    serial::OldSerial,
    signature::{MOST_SIGNATURE, Malformed, SIGNATURE, Signature, beside, trusted_comment},
    trusted::{Digests, Distrust, Signed, Trusted, TrustedKeys},
};
