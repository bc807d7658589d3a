//! Whose word counts: keys and signatures in minisign's format, and what they vouch for.
//! <https://jedisct1.github.io/minisign/#signature-format>
//!
//! The ciphers are those that TLS and the digests use already (Ed25519 of AWS-LC, `BLAKE2b` and scrypt of `RustCrypto`). The
//! format is read here and not by the `minisign` crate: that one keeps secret keys and passwords in memory after use,
//! prints a key as its `Debug` and cannot read keys that minisign itself made without a password; and both it and
//! `minisign-verify` pass over what does not belong in a signature.
//!
//! Bytes come from others: this module reads no file, so that what was checked is what is used.

mod hashes;
mod key;
mod secret_key;
mod serial;
mod signature;
mod trusted;

pub use self::{
    hashes::{Hashes, Prehash},
    key::{BadKey, KeyId, PublicKey},
    secret_key::{BadSecretKey, LockedKey, SecretKey},
    serial::OldSerial,
    signature::{MOST_SIGNATURE, Malformed, SIGNATURE, Signature, beside, trusted_comment},
    trusted::{Digests, Distrust, Signed, Trusted, TrustedKeys},
};
