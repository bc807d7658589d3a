//! OpenPGP packets: their headers, and the fingerprints of keys.

use std::fmt::Write as _;

use sha1::Sha1;
use sha2::{Digest as _, Sha256};

use super::key_error::KeyError;

pub(super) const SIGNATURE: u8 = 2;
pub(super) const SECRET_KEY: u8 = 5;
pub(super) const PUBLIC_KEY: u8 = 6;
pub(super) const SECRET_SUBKEY: u8 = 7;
pub(super) const USER_ID: u8 = 13;
pub(super) const PUBLIC_SUBKEY: u8 = 14;
pub(super) const USER_ATTRIBUTE: u8 = 17;

/// A packet without its header.
pub(super) struct Packet<'a> {
    pub(super) tag: u8,
    body: &'a [u8],
}

impl<'a> Packet<'a> {
    /// The first packet, and the bytes after it (RFC 9580, section 4.2).
    pub(super) fn first_of(bytes: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let (&head, rest) = bytes.split_first()?;
        if head & 0x80 == 0 {
            return None;
        }
        let (tag, length, rest) = if head & 0x40 != 0 {
            let (&first, rest) = rest.split_first()?;
            let (length, rest) = match first {
                0..=191 => (usize::from(first), rest),
                192..=223 => {
                    let (&second, rest) = rest.split_first()?;
                    (((usize::from(first) - 192) << 8) + usize::from(second) + 192, rest)
                }
                255 => big_endian(rest, 4)?,
                // Partial lengths are used for data packets only, not for keys.
                224..=254 => return None,
            };
            (head & 0x3f, length, rest)
        } else {
            // Indeterminate lengths are used for data packets only, not for keys.
            let width = [1, 2, 4].get(usize::from(head & 3))?;
            let (length, rest) = big_endian(rest, *width)?;
            ((head >> 2) & 0x0f, length, rest)
        };
        let (body, rest) = rest.split_at_checked(length)?;
        Some((Self { tag, body }, rest))
    }

    /// Writes the packet with the header that gpg writes. All programs can read it.
    pub(super) fn write_to(&self, out: &mut Vec<u8>) -> Result<(), KeyError> {
        const TOO_LONG: KeyError = KeyError::Malformed("a packet that is too long");
        let length = u32::try_from(self.body.len()).map_err(|_| TOO_LONG)?.to_be_bytes();
        if self.tag < 16 {
            let (code, from) = match self.body.len() {
                0..=0xff => (0, 3),
                0x100..=0xffff => (1, 2),
                _ => (2, 0),
            };
            out.push(0x80 | (self.tag << 2) | code);
            out.extend_from_slice(&length[from..]);
        } else {
            out.extend([0xc0 | self.tag, 0xff]);
            out.extend_from_slice(&length);
        }
        out.extend_from_slice(self.body);
        Ok(())
    }

    /// The fingerprint of a public key (RFC 9580, section 5.5.4).
    pub(super) fn fingerprint(&self) -> Result<String, KeyError> {
        const TOO_LONG: KeyError = KeyError::Malformed("a key that is too long");
        let hash = match self.body.first() {
            Some(4) => {
                let length = u16::try_from(self.body.len()).map_err(|_| TOO_LONG)?.to_be_bytes();
                Sha1::new().chain_update([0x99]).chain_update(length).chain_update(self.body).finalize().to_vec()
            }
            Some(version @ (5 | 6)) => {
                let mark = if *version == 5 { 0x9a } else { 0x9b };
                let length = u32::try_from(self.body.len()).map_err(|_| TOO_LONG)?.to_be_bytes();
                Sha256::new().chain_update([mark]).chain_update(length).chain_update(self.body).finalize().to_vec()
            }
            _ => return Err(KeyError::Malformed("a key of an unknown version")),
        };
        Ok(hash.iter().fold(String::new(), |mut digits, byte| {
            let _ = write!(digits, "{byte:02X}");
            digits
        }))
    }
}

fn big_endian(bytes: &[u8], width: usize) -> Option<(usize, &[u8])> {
    let (number, rest) = bytes.split_at_checked(width)?;
    Some((number.iter().fold(0, |value, &byte| (value << 8) | usize::from(byte)), rest))
}
