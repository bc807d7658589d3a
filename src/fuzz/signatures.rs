//! Keys and signatures: OpenPGP and minisign.

use std::path::Path;

use crate::{
    openpgp::KeyRing,
    trust::{LockedKey, PublicKey, Signature, TrustedKeys},
};

pub(super) fn openpgp(data: &[u8]) {
    let Ok(ring) = KeyRing::parse(data) else { return };
    assert!(!ring.fingerprints().is_empty());
    let again = KeyRing::parse(ring.packets()).expect("the packets that programs get are keys");
    assert_eq!(again, ring, "the packets that programs get are other keys");
}

/// The text is a public key, a signature and a secret key, each with the rest of the text after the lines before it.
pub(super) fn minisign(data: &[u8]) {
    /// A valid key, so that signatures reach the verification.
    const KEY: &str = "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3";
    let text = String::from_utf8_lossy(data);
    let mut keys = vec![PublicKey::parse(KEY).expect("a valid key")];
    if let Ok(key) = PublicKey::parse(&text) {
        assert_eq!(PublicKey::parse(&key.to_file()).ok().map(|key| key.to_string()), Some(key.to_string()));
        keys.push(key);
    }
    if let Ok(signature) = Signature::parse(data) {
        let file = signature.to_file();
        let again = Signature::parse(file.as_bytes()).expect("a written signature can be read");
        assert_eq!(again.to_file(), file);
    }
    let signed = TrustedKeys::new(keys).check(Path::new("/store/Family/family.toml"), b"text\r\n", Some(data));
    if let Err(distrust) = &signed {
        let _ = distrust.to_string();
    }
    if let Ok(key) = LockedKey::parse(data.to_vec())
        && !key.has_password()
    {
        // A password would cost seconds by design.
        drop(key.unlock(None));
    }
}
