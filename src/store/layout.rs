//! Names of files in a store. Both tiers use the same layout, which begins with a version.
//!
//! ```text
//! v1/objects/ab/abcdef…           bytes, named by their SHA-256; never changed
//! v1/entries/<kind>/ab/<key>      the objects for a key
//! v1/leases/<key>                 the node that works on a key
//! ```

use super::{Key, Kind};
use crate::digest::Digest;

pub(super) const TOP: &str = "v1";
pub(super) const OBJECTS: &str = "v1/objects";

/// The meaning of a name in the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Name {
    Object(Digest),
    Entry(Kind, Key),
    Lease,
    /// A temporary file of a write that was interrupted.
    LeftOver,
}

/// Parses a name. Returns `None` if the name does not belong to the layout.
pub(super) fn name(text: &str) -> Option<Name> {
    let (folder, last) = text.rsplit_once('/')?;
    if last.starts_with('.') && last.ends_with(".nodeagent") {
        return Some(Name::LeftOver);
    }
    if !is_hex(last) {
        return None;
    }
    if folder == LEASES {
        return Some(Name::Lease);
    }
    let above = folder.strip_suffix(&last[..2])?.strip_suffix('/')?;
    if above == OBJECTS {
        return Some(Name::Object(Digest::Sha256(last.to_owned())));
    }
    let kind = Kind::ALL.into_iter().find(|kind| entries(*kind) == above)?;
    Some(Name::Entry(kind, Key::named(last)))
}

/// Whether a digest can name an object. A digest that was read from a file may contain any text.
pub(super) fn is_name(digest: &Digest) -> bool {
    matches!(digest, Digest::Sha256(hex) if is_hex(hex))
}

/// Whether a name is 64 lower-case hexadecimal digits. Upper case is rejected, because some file systems ignore case.
pub(super) fn is_hex(name: &str) -> bool {
    name.len() == 64 && name.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

pub(super) fn object(digest: &Digest) -> String {
    spread(OBJECTS, digest.hex())
}

pub(super) fn entry(kind: Kind, key: &Key) -> String {
    spread(&entries(kind), key.hex())
}

pub(super) fn entries(kind: Kind) -> String {
    format!("v1/entries/{}", kind.name())
}

pub(super) const LEASES: &str = "v1/leases";

pub(super) fn lease(key: &Key) -> String {
    format!("{LEASES}/{}", key.hex())
}

/// A new name for a temporary file.
pub(super) fn probe() -> String {
    format!("{TOP}/.{:016x}.nodeagent", fastrand::u64(..))
}

/// Spreads names over 256 folders: some file systems are slow with many names in one folder.
fn spread(folder: &str, hex: &str) -> String {
    format!("{folder}/{}/{hex}", &hex[..2])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_whole_sha256_in_lower_case_names_an_object() {
        assert!(is_name(&Digest::sha256(b"x")));
        for hex in ["", "../../../etc/passwd", &"A".repeat(64), &"g".repeat(64), &"a".repeat(63)] {
            assert!(!is_name(&Digest::Sha256(hex.to_owned())), "{hex}");
        }
        assert!(!is_name(&Digest::Md5("a".repeat(32))));
    }

    #[test]
    fn only_names_of_the_layout_are_parsed() {
        let (digest, key) = (Digest::sha256(b"x"), Key::of(Kind::Layer, &"x"));
        assert_eq!(name(&object(&digest)), Some(Name::Object(digest.clone())));
        assert_eq!(name(&entry(Kind::Layer, &key)), Some(Name::Entry(Kind::Layer, key.clone())));
        assert_eq!(name(&lease(&key)), Some(Name::Lease));
        assert_eq!(name("v1/objects/ab/.abc.1-2-3.nodeagent"), Some(Name::LeftOver));
        assert_eq!(name(&probe()), Some(Name::LeftOver));
        assert_eq!(name("v1/objects/ab/.abc"), None, "a file of others");
        assert_eq!(name("v1/objects/ab/abc.nodeagent"), None, "a file of others");
        let upper = digest.hex().to_uppercase();
        let elsewhere = format!("v1/objects/zz/{}", digest.hex());
        for text in ["v1/objects/ab/x", &format!("v1/objects/{}/{upper}", &upper[..2]), &elsewhere, "x"] {
            assert_eq!(name(text), None, "{text}");
        }
    }

    #[test]
    fn names_are_spread_over_folders() {
        let hex = Digest::sha256(b"").hex().to_owned();
        assert_eq!(object(&Digest::sha256(b"")), format!("v1/objects/e3/{hex}"));
    }
}
