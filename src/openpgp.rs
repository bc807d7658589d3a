//! OpenPGP key files: the fingerprints of their keys, and removal of the armour.
//!
//! This is a parser of our own. A fingerprint is a hash over one packet, and the OpenPGP crates would add 180
//! dependencies (ciphers, curves, compression) that are not needed. The parser refuses all input that it does not
//! understand, so that apt cannot find a key that this parser missed.

use std::{borrow::Cow, collections::BTreeSet, fmt::Write as _};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use sha1::Sha1;
use sha2::{Digest as _, Sha256};

/// The largest key file on a server, in bytes. Files with several keys and many signatures have some 100 KiB.
pub(crate) const MAX_KEY_FILE_BYTES: u64 = 1 << 20;

/// Why a key file is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum KeyError {
    /// The file is not OpenPGP, or is damaged.
    #[error("the file is not a whole OpenPGP key: {0}")]
    Malformed(&'static str),
    /// The file contains a secret key, which must never be on a node.
    #[error("the file holds a secret key")]
    Secret,
    /// The file contains no key.
    #[error("the file holds no key")]
    Empty,
}

const BEGIN: &str = "-----BEGIN PGP PUBLIC KEY BLOCK-----";
const END: &str = "-----END PGP PUBLIC KEY BLOCK-----";

/// The fingerprint of each primary key as upper-case hexadecimal digits. Never empty.
pub(crate) fn fingerprints(file: &[u8]) -> Result<Vec<String>, KeyError> {
    let found = primary_keys(&dearmored(file)?)?;
    if found.is_empty() { Err(KeyError::Empty) } else { Ok(found) }
}

/// The packets of a key file, without armour.
pub(crate) fn dearmored(file: &[u8]) -> Result<Cow<'_, [u8]>, KeyError> {
    // The first byte of an OpenPGP packet has its highest bit set. The first byte of a text does not.
    if file.first().is_some_and(|byte| byte & 0x80 != 0) {
        return Ok(Cow::Borrowed(file));
    }
    let text = std::str::from_utf8(file).map_err(|_| KeyError::Malformed("neither binary nor armoured"))?;
    Ok(Cow::Owned(blocks(text)?.concat()))
}

/// Whether the keys of a file have exactly these fingerprints.
pub(crate) fn has_only(file: &[u8], expected: &BTreeSet<String>) -> bool {
    fingerprints(file).is_ok_and(|found| found.into_iter().collect::<BTreeSet<_>>() == *expected)
}

/// The bytes of each armoured block. The armour must have the usual form, because apt decodes it with another program
/// (`awk` and `base64` up to apt 2.6), which takes other lines of an unusual file for the key.
fn blocks(text: &str) -> Result<Vec<Vec<u8>>, KeyError> {
    let mut blocks = Vec::new();
    let mut lines = text.split('\n').map(|line| line.strip_suffix('\r').unwrap_or(line));
    while let Some(line) = lines.next() {
        if line != BEGIN {
            if line.contains("BEGIN") {
                return Err(KeyError::Malformed("a block that is no public key"));
            }
            continue;
        }
        blocks.push(block(&mut lines)?);
    }
    Ok(blocks)
}

/// The bytes of an armoured block, from the lines after its first one: headers such as `Version: GnuPG`, an empty line,
/// base64, a checksum that starts with `=`, and the end.
fn block<'a>(lines: &mut impl Iterator<Item = &'a str>) -> Result<Vec<u8>, KeyError> {
    const ENDLESS: KeyError = KeyError::Malformed("an armoured block without an end");
    loop {
        match lines.next().ok_or(ENDLESS)? {
            "" => break,
            line if line.contains(": ") => {}
            _ => return Err(KeyError::Malformed("an armoured block without an empty line before the key")),
        }
    }
    let mut base64 = String::new();
    loop {
        match lines.next().ok_or(ENDLESS)? {
            END => break,
            line if line.starts_with('=') => {
                if lines.next() != Some(END) {
                    return Err(KeyError::Malformed("an armoured block with lines after its checksum"));
                }
                break;
            }
            line if line.is_empty() || line.starts_with('-') => {
                return Err(KeyError::Malformed("an armoured block with an unusual line"));
            }
            line => base64.push_str(line),
        }
    }
    STANDARD.decode(&base64).map_err(|_| KeyError::Malformed("damaged armour"))
}

/// The fingerprints of the primary keys in a sequence of packets.
fn primary_keys(mut bytes: &[u8]) -> Result<Vec<String>, KeyError> {
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let (tag, body, rest) = packet(bytes).ok_or(KeyError::Malformed("a damaged packet"))?;
        match tag {
            6 => found.push(fingerprint(body)?),
            5 | 7 => return Err(KeyError::Secret),
            // Signature, marker, trust, user id, subkey, user attribute, padding.
            2 | 10 | 12 | 13 | 14 | 17 | 21 => {}
            _ => return Err(KeyError::Malformed("a packet that does not belong in a key")),
        }
        bytes = rest;
    }
    Ok(found)
}

/// The tag and body of the first packet, and the bytes after it (RFC 9580, section 4.2).
fn packet(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
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
    Some((tag, body, rest))
}

fn big_endian(bytes: &[u8], width: usize) -> Option<(usize, &[u8])> {
    let (number, rest) = bytes.split_at_checked(width)?;
    Some((number.iter().fold(0, |value, &byte| (value << 8) | usize::from(byte)), rest))
}

/// The fingerprint of a public key packet (RFC 9580, section 5.5.4).
fn fingerprint(body: &[u8]) -> Result<String, KeyError> {
    let too_long = KeyError::Malformed("a key that is too long");
    let hash = match body.first() {
        Some(4) => {
            let length = u16::try_from(body.len()).map_err(|_| too_long)?;
            Sha1::new().chain_update([0x99]).chain_update(length.to_be_bytes()).chain_update(body).finalize().to_vec()
        }
        Some(version @ (5 | 6)) => {
            let mark = if *version == 5 { 0x9a } else { 0x9b };
            let length = u32::try_from(body.len()).map_err(|_| too_long)?;
            let hasher = Sha256::new().chain_update([mark]).chain_update(length.to_be_bytes());
            hasher.chain_update(body).finalize().to_vec()
        }
        _ => return Err(KeyError::Malformed("a key of an unknown version")),
    };
    Ok(hash.iter().fold(String::new(), |mut digits, byte| {
        let _ = write!(digits, "{byte:02X}");
        digits
    }))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A key made for this test: ed25519, no subkey.
    pub(crate) const KEY: &str = "\
-----BEGIN PGP PUBLIC KEY BLOCK-----
Version: GnuPG v2

mDMEawISexYJKwYBBAHaRw8BAQdAgSHEg97M/BUxbaYr6W7vipdjosCyVpWr7N64
TMTQrWS0FFRlc3QgPHRAZXhhbXBsZS5vcmc+iJAEExYIADgWIQR031gG51XIWUv+
QFspSl7Md5HMWgUCawISewIbAwULCQgHAgYVCgkICwIEFgIDAQIeAQIXgAAKCRAp
Sl7Md5HMWuCtAPwNIv7WqU5paRw1UAvGJEhXbmwhGZkk+nhDNYPH+QMlVwEAvFc3
vF0g0IwWVKewfRo/92JupafN35MZYEw8O2RV/Ak=
=+3C2
-----END PGP PUBLIC KEY BLOCK-----
";
    /// A second key of the same kind.
    pub(crate) const OTHER: &str = "\
-----BEGIN PGP PUBLIC KEY BLOCK-----

mDMEawISexYJKwYBBAHaRw8BAQdAW9kB/2+K03rJOo6JSvmrDjHXYq0zey+QBblc
2E3y7Lm0FU90aGVyIDxvQGV4YW1wbGUub3JnPoiQBBMWCAA4FiEEDhQ7KhT3ywuH
iRdxcJN/LmqFEaIFAmsCEnsCGwMFCwkIBwIGFQoJCAsCBBYCAwECHgECF4AACgkQ
cJN/LmqFEaLdYgD9HSO4grbE0WDMiNfpKlPKyy4Zfj6XtlIfdULCsV5w+JcBAOWz
JOZ6J+N4xLky1c9fHz9TGp/q0vWon++eqyyk1iQL
=7VdN
-----END PGP PUBLIC KEY BLOCK-----
";
    pub(crate) const OTHER_FINGERPRINT: &str = "0E143B2A14F7CB0B8789177170937F2E6A8511A2";
    pub(crate) const FINGERPRINT: &str = "74DF5806E755C8594BFE405B294A5ECC7791CC5A";

    fn binary() -> Vec<u8> {
        blocks(KEY).expect("armour").remove(0)
    }

    #[test]
    fn armoured_and_binary_files_have_the_same_fingerprint() {
        assert_eq!(fingerprints(KEY.as_bytes()), Ok(vec![FINGERPRINT.into()]));
        assert_eq!(fingerprints(&binary()), Ok(vec![FINGERPRINT.into()]));
        assert_eq!(fingerprints(KEY.replace('\n', "\r\n").as_bytes()), Ok(vec![FINGERPRINT.into()]));
    }

    #[test]
    fn every_key_of_a_file_is_found() {
        let twice = vec![FINGERPRINT.to_owned(); 2];
        assert_eq!(fingerprints(format!("# two\n{KEY}\n{KEY}").as_bytes()), Ok(twice.clone()));
        assert_eq!(fingerprints(&[binary(), binary()].concat()), Ok(twice));
    }

    #[test]
    fn newer_versions_of_keys_are_hashed_with_sha_256() {
        // The same body under another version number, because only the hash function matters here.
        for (version, mark) in [(5, 0x9a), (6, 0x9b)] {
            let packet = [0xc6, 3, version, 1, 2];
            let expected = crate::digest::Digest::sha256(&[mark, 0, 0, 0, 3, version, 1, 2]).hex().to_ascii_uppercase();
            assert_eq!(fingerprints(&packet), Ok(vec![expected]));
        }
    }

    #[test]
    fn anything_but_a_complete_public_key_is_refused() {
        let mut secret = binary();
        secret[0] = 0x94; // the tag of a secret key
        assert_eq!(fingerprints(&secret), Err(KeyError::Secret));
        let mut padded = binary();
        padded.extend(b"tail");
        assert_eq!(fingerprints(&padded), Err(KeyError::Malformed("a damaged packet")));
        assert_eq!(fingerprints(&binary()[..20]), Err(KeyError::Malformed("a damaged packet")));
        let html = "<html>not found</html>";
        assert_eq!(fingerprints(html.as_bytes()), Err(KeyError::Empty));
        assert_eq!(fingerprints(b""), Err(KeyError::Empty));
        assert!(fingerprints(KEY.replace("PUBLIC", "PRIVATE").as_bytes()).is_err());
        assert!(fingerprints(KEY.replace("-----END PGP PUBLIC KEY BLOCK-----", "").as_bytes()).is_err());
    }

    #[test]
    fn armour_that_other_programs_decode_in_another_way_is_refused() {
        // awk takes the lines after the first empty line, and skips lines that begin with `-` or `=`.
        for (usual, unusual) in [
            ("Version: GnuPG v2\n\nmDME", "mDME"),
            ("\n\nmDME", "\n \nmDME"),
            ("vFc3\n", "vFc3\n\n"),
            ("vFc3\n", "vFc3\n-----\n"),
            ("=+3C2\n", "=+3C2\nmDME\n"),
        ] {
            let file = KEY.replacen(usual, unusual, 1);
            assert_ne!(file, KEY, "{usual}");
            assert!(fingerprints(file.as_bytes()).is_err(), "{unusual:?}");
        }
        let dashes = KEY.replacen("-----BEGIN", "\u{2013}\u{2013}BEGIN", 1);
        assert!(fingerprints(dashes.as_bytes()).is_err());
    }

    #[test]
    fn truncated_and_corrupted_files_do_not_panic() {
        let whole = binary();
        for length in 0..whole.len() {
            let _ = fingerprints(&whole[..length]);
        }
        for place in 0..whole.len() {
            let mut flipped = whole.clone();
            flipped[place] ^= 0xff;
            let _ = fingerprints(&flipped);
        }
    }
}
