//! Reads key files.

use std::collections::BTreeSet;

use super::{armour, key_error::KeyError, packet};

/// Public keys: at least one, with user identifiers, subkeys and their signatures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KeyRing {
    packets: Vec<u8>,
    fingerprints: BTreeSet<String>,
}

impl KeyRing {
    /// Reads a key file, binary or armoured.
    ///
    /// # Errors
    /// If the file is anything else than complete public keys.
    pub(crate) fn parse(file: &[u8]) -> Result<Self, KeyError> {
        // The first byte of a packet has its highest bit set. The first byte of a text does not.
        let is_binary = file.first().is_some_and(|byte| byte & 0x80 != 0);
        let decoded = if is_binary { None } else { Some(armour::decode(file)?) };
        let mut rest = decoded.as_deref().unwrap_or(file);
        let mut ring = Self { packets: Vec::with_capacity(rest.len()), fingerprints: BTreeSet::new() };
        while !rest.is_empty() {
            let (packet, after) = packet::Packet::first_of(rest).ok_or(KeyError::Malformed("a damaged packet"))?;
            match packet.tag {
                packet::PUBLIC_KEY => {
                    ring.fingerprints.insert(packet.fingerprint()?);
                }
                packet::SECRET_KEY | packet::SECRET_SUBKEY => return Err(KeyError::Secret),
                packet::SIGNATURE | packet::USER_ID | packet::PUBLIC_SUBKEY | packet::USER_ATTRIBUTE => {
                    if ring.fingerprints.is_empty() {
                        return Err(KeyError::Malformed("a packet before the first key"));
                    }
                }
                tag => return Err(KeyError::Needless(tag)),
            }
            packet.write_to(&mut ring.packets)?;
            rest = after;
        }
        if ring.fingerprints.is_empty() { Err(KeyError::Empty) } else { Ok(ring) }
    }

    /// The fingerprints of the primary keys, as upper-case hexadecimal digits.
    pub(crate) fn fingerprints(&self) -> &BTreeSet<String> {
        &self.fingerprints
    }

    /// The keys as binary packets.
    pub(crate) fn packets(&self) -> &[u8] {
        &self.packets
    }
}

/// Whether the keys of a file have exactly these fingerprints.
pub(crate) fn has_only(file: &[u8], expected: &BTreeSet<String>) -> bool {
    KeyRing::parse(file).is_ok_and(|ring| ring.fingerprints == *expected)
}
