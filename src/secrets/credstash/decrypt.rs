//! Decryption of an item of credstash: checks the MAC, then decrypts with AES-256 in counter mode. The ciphers are
//! those of `RustCrypto`.
//!
//! The counter always starts at one. This is safe, because each item has its own data key.

use aes::{
    Aes256,
    cipher::{KeyIvInit as _, StreamCipher as _},
};
use ctr::Ctr128BE;
use hmac::{EagerHash, Hmac, KeyInit as _, Mac as _};
use md5::Md5;
use sha1::Sha1;
use sha2::{Sha224, Sha256, Sha384, Sha512};

use super::item::StoredItem;
use crate::redact::Secret;

/// The length of the cipher key and of the MAC key, in bytes.
const KEY: usize = 32;
const FIRST_BLOCK: [u8; 16] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];

/// The digests that credstash 1.17 supports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Digest {
    Sha1,
    Sha224,
    Sha256,
    Sha384,
    Sha512,
    Md5,
}

impl Digest {
    /// The digest with a name in an item.
    pub(super) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "SHA" => Self::Sha1,
            "SHA224" => Self::Sha224,
            "SHA256" => Self::Sha256,
            "SHA384" => Self::Sha384,
            "SHA512" => Self::Sha512,
            "MD5" => Self::Md5,
            _ => return None,
        })
    }
}

/// The usual name of a digest.
pub(super) fn display_name(name: &str) -> &str {
    if name == "SHA" { "SHA-1" } else { name }
}

/// A decryption failed.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum DecryptError {
    /// The data key does not have the right length.
    Key,
    /// The MAC does not match the contents.
    Mac,
}

/// Decrypts an item. The first half of the data key is the cipher key, the second half the MAC key.
pub(super) fn decrypt(digest: Digest, data_key: &Secret, stored: &StoredItem) -> Result<Secret, DecryptError> {
    let (key, mac_key) =
        data_key.reveal().split_at_checked(KEY).filter(|(_, rest)| rest.len() == KEY).ok_or(DecryptError::Key)?;
    let is_valid = match digest {
        Digest::Sha1 => verify::<Sha1>(mac_key, stored),
        Digest::Sha224 => verify::<Sha224>(mac_key, stored),
        Digest::Sha256 => verify::<Sha256>(mac_key, stored),
        Digest::Sha384 => verify::<Sha384>(mac_key, stored),
        Digest::Sha512 => verify::<Sha512>(mac_key, stored),
        Digest::Md5 => verify::<Md5>(mac_key, stored),
    };
    if !is_valid {
        return Err(DecryptError::Mac);
    }
    let mut cipher = Ctr128BE::<Aes256>::new_from_slices(key, &FIRST_BLOCK).map_err(|_| DecryptError::Key)?;
    let mut contents = stored.contents.clone();
    cipher.apply_keystream(&mut contents);
    Ok(Secret::new(contents))
}

/// Whether the contents have the stored MAC. The comparison takes constant time.
fn verify<D: EagerHash>(key: &[u8], stored: &StoredItem) -> bool {
    let Ok(mut mac) = Hmac::<D>::new_from_slice(key) else { return false };
    mac.update(&stored.contents);
    mac.verify_slice(&stored.mac).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `_seal_aes_ctr` of credstash 1.17.1 on `correct horse\n` with the data key `bytes(range(64))`, by digest.
    const CONTENTS: &str = "933204dc2fdaebc5ce99e9422dc8";
    const MACS: [(&str, &str); 6] = [
        ("SHA", "54ff7bc9817cfa11af7f4f1d20e20befe1b59370"),
        ("SHA224", "5e8971368a56e7c2c5d435d18a426ffae0c80e333bafb31b53f1fd45"),
        ("SHA256", "92b626c8f7422aba980b21f4ced1e45df0bfc6ac9d2d1a083a4a332503bcf5c3"),
        ("SHA384", "793568409d4117a8b4b32b76debf4fe282c879337c5ae6810243f50f0912451acb2b8dcb7f9d353c303046d987ce3921"),
        (
            "SHA512",
            "718392479241fd26e87877db3bc424139128283d2c9a77a062fbb951eaf74ecd0af43955c194542a63bd861a0dd7ef8ae866a417f08cecb8f8de6a53f789755a",
        ),
        ("MD5", "137063e71ffff2c680b987673bc8ccec"),
    ];

    fn data_key() -> Secret {
        Secret::new((0..64).collect())
    }

    fn stored(mac: &str) -> StoredItem {
        let bytes = |text| hex::decode(text).expect("hexadecimal");
        StoredItem { key: Vec::new(), contents: bytes(CONTENTS), mac: bytes(mac), digest: String::new() }
    }

    #[test]
    fn an_item_with_any_digest_is_decrypted() {
        for (name, mac) in MACS {
            let digest = Digest::named(name).expect("a digest");
            let decrypted = decrypt(digest, &data_key(), &stored(mac)).expect(name);
            assert_eq!(decrypted.reveal(), b"correct horse\n", "{name}");
        }
        assert_eq!(Digest::named("RIPEMD"), None);
        assert_eq!(Digest::named("WHIRLPOOL"), None);
    }

    #[test]
    fn a_changed_item_is_not_decrypted() {
        let (_, mac) = MACS[2];
        let mut changed = stored(mac);
        changed.contents[3] ^= 1;
        let mut shortened = stored(mac);
        shortened.mac.pop();
        for broken in [changed, shortened, stored("")] {
            assert_eq!(decrypt(Digest::Sha256, &data_key(), &broken).err(), Some(DecryptError::Mac));
        }
        // Another digest has another MAC.
        assert_eq!(decrypt(Digest::Sha512, &data_key(), &stored(mac)).err(), Some(DecryptError::Mac));
    }

    #[test]
    fn a_data_key_with_another_length_is_refused() {
        for length in [0, 32, 63, 65] {
            let key = Secret::new(vec![7; length]);
            assert_eq!(decrypt(Digest::Sha256, &key, &stored(MACS[2].1)).err(), Some(DecryptError::Key), "{length}");
        }
    }
}
