//! OpenPGP key files: the fingerprints of their keys, and the keys as packets of our own.
//!
//! Other programs (apt, gpgv, sqv) never get the file itself, because they may read it in another way than this parser.
//! They get [`KeyRing::packets`], which holds exactly the packets that were compared with the fingerprints.
//!
//! This is a parser of our own. A fingerprint is a hash over one packet, and the OpenPGP crates would add 180
//! dependencies (ciphers, curves, compression) that are not needed. It refuses all input that it does not understand.

mod armour;
mod key_error;
mod key_ring;
mod packet;

pub(crate) use key_ring::{KeyRing, has_only};

/// The largest key file on a server, in bytes. Files with several keys and many signatures have some 100 KiB.
pub(crate) const MAX_KEY_FILE_BYTES: u64 = 1 << 20;

#[cfg(test)]
pub(crate) mod tests;
