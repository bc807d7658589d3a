use super::{KeyRing, armour, key_error::KeyError};

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
    armour::decode(KEY.as_bytes()).expect("armour")
}

fn fingerprints(file: &[u8]) -> Result<Vec<String>, KeyError> {
    KeyRing::parse(file).map(|ring| ring.fingerprints().iter().cloned().collect())
}

#[test]
fn armoured_and_binary_files_are_the_same_key() {
    let ring = KeyRing::parse(KEY.as_bytes());
    assert_eq!(fingerprints(KEY.as_bytes()), Ok(vec![FINGERPRINT.into()]));
    for file in [binary(), KEY.replace('\n', "\r\n").into_bytes(), KEY.replace("=+3C2\n", "").into_bytes()] {
        assert_eq!(KeyRing::parse(&file), ring);
    }
}

#[test]
fn the_packets_of_a_key_are_those_that_gpg_exports() {
    let ring = KeyRing::parse(KEY.as_bytes()).expect("a key");
    assert_eq!(ring.packets(), binary());
}

#[test]
fn packets_with_unusual_headers_are_written_with_usual_ones() {
    let ring = KeyRing::parse(&[0xc6, 0xff, 0, 0, 0, 3, 6, 1, 2, 0xd1, 1, 7]).expect("a key");
    assert_eq!(ring.packets(), [0x98, 3, 6, 1, 2, 0xd1, 0xff, 0, 0, 0, 1, 7]);
}

#[test]
fn every_key_of_a_file_is_found() {
    let both = Ok(vec![OTHER_FINGERPRINT.to_owned(), FINGERPRINT.to_owned()]);
    assert_eq!(fingerprints(format!("{KEY}\n{OTHER}").as_bytes()), both);
    assert_eq!(fingerprints(&[binary(), armour::decode(OTHER.as_bytes()).expect("armour")].concat()), both);
    assert_eq!(fingerprints(&[binary(), binary()].concat()), Ok(vec![FINGERPRINT.to_owned()]));
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
    let damaged = Err(KeyError::Malformed("a damaged packet"));
    assert_eq!(fingerprints(&[&binary()[..], b"tail"].concat()), damaged);
    assert_eq!(fingerprints(&binary()[..20]), damaged);
    let outside = Err(KeyError::Malformed("a line outside of the armoured block"));
    assert_eq!(fingerprints(b"<html>not found</html>"), outside);
    assert_eq!(fingerprints(format!("# a key\n{KEY}").as_bytes()), outside);
    assert_eq!(fingerprints(format!("{KEY}# the end").as_bytes()), outside);
    assert_eq!(fingerprints(b""), Err(KeyError::Empty));
    assert_eq!(fingerprints(KEY.replace("PUBLIC", "PRIVATE").as_bytes()), Err(KeyError::Secret));
    assert!(fingerprints(KEY.replace("-----END PGP PUBLIC KEY BLOCK-----", "").as_bytes()).is_err());
}

#[test]
fn packets_that_a_public_key_does_not_need_are_refused() {
    // Marker, trust, padding, private use.
    for tag in [10, 12, 21, 60, 63] {
        let packet = [0xc0 | tag, 3, b'P', b'G', b'P'];
        for file in [[&binary(), &packet[..]].concat(), [&packet[..], &binary()].concat()] {
            assert_eq!(fingerprints(&file), Err(KeyError::Needless(tag)));
        }
    }
    let user = [0xb4, 1, b'x'];
    let early = Err(KeyError::Malformed("a packet before the first key"));
    assert_eq!(fingerprints(&[&user[..], &binary()].concat()), early);
}

#[test]
fn armour_that_other_programs_decode_in_another_way_is_refused() {
    // Some programs take the lines after the first empty line, and skip lines that begin with `-` or `=`.
    for (usual, unusual) in [
        ("Version: GnuPG v2\n\nmDME", "mDME"),
        ("\n\nmDME", "\n \nmDME"),
        ("Version: GnuPG v2\n\n", "Version: GnuPG v2\nmDME\n\n"),
        ("vFc3\n", "vFc3\n\n"),
        ("vFc3\n", "vFc3\n-----\n"),
        ("=+3C2\n", "=+3C2\nmDME\n"),
        ("=+3C2\n", "=+3C3\n"),
        ("=+3C2\n", "=\n"),
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
