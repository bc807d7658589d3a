//! Entries: small JSON files that map a key to objects. Any user with write access to the store can write anything into
//! them.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Kind, Object, layout};
use crate::digest::Digest;

const SCHEMA: u32 = 1;
/// The largest entry that is read, in bytes.
pub(super) const MAX_BYTES: u64 = 4 << 20;

/// The objects that a key leads to, with facts about them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    schema: u32,
    /// The kind of artefact.
    pub kind: Kind,
    /// The time when the entry was made.
    pub made: Timestamp,
    /// The objects, each with its role.
    pub objects: Vec<Member>,
    /// Further facts, such as the system packages that an R build links to.
    #[serde(default)]
    pub facts: Map<String, Value>,
}

/// An object of an entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// The role of the object, such as `archive`.
    pub role: String,
    /// The SHA-256 in hexadecimal digits.
    pub sha256: String,
    /// The size in bytes.
    pub size: u64,
}

impl Member {
    /// An object with its role.
    pub fn new(role: impl Into<String>, object: &Object) -> Self {
        Self { role: role.into(), sha256: object.digest.hex().to_owned(), size: object.size }
    }

    /// The digest of the object.
    pub fn digest(&self) -> Digest {
        Digest::Sha256(self.sha256.clone())
    }
}

impl Entry {
    /// An entry made now.
    pub fn new(kind: Kind, objects: Vec<Member>, facts: Map<String, Value>) -> Self {
        Self { schema: SCHEMA, kind, made: Timestamp::now(), objects, facts }
    }

    /// The object with this role.
    pub fn object(&self, role: &str) -> Option<&Member> {
        self.objects.iter().find(|member| member.role == role)
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("our own types can be written")
    }

    /// Reads an entry. Returns `None` for another schema version, another kind, or an object name that is not a
    /// SHA-256.
    pub(super) fn parse(kind: Kind, bytes: &[u8]) -> Option<Self> {
        let entry: Self = serde_json::from_slice(bytes).ok()?;
        let fits = entry.schema == SCHEMA && entry.kind == kind;
        (fits && entry.objects.iter().all(|member| layout::is_hex(&member.sha256))).then_some(entry)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_the_same_after_writing_and_reading() {
        let object = Object { digest: Digest::sha256(b"x"), size: 1 };
        let entry = Entry::new(Kind::RBuild, vec![Member::new("archive", &object)], Map::new());
        assert_eq!(Entry::parse(Kind::RBuild, &entry.to_bytes()), Some(entry.clone()));
        assert_eq!(Entry::parse(Kind::Wheel, &entry.to_bytes()), None, "it is about something else");
        assert_eq!(entry.object("archive").map(Member::digest), Some(object.digest));
    }

    #[test]
    fn invalid_entries_are_rejected() {
        let lying = |text: &str| Entry::parse(Kind::Layer, text.as_bytes());
        let of = |sha256: &str, schema| {
            let objects = format!(r#"[{{"role":"part","sha256":"{sha256}","size":1}}]"#);
            format!(r#"{{"schema":{schema},"kind":"layer","made":"2026-11-22T00:00:00Z","objects":{objects}}}"#)
        };
        assert!(lying(&of(&"a".repeat(64), 1)).is_some());
        for text in ["", "{}", "[]", &of("../../../etc/shadow", 1), &of(&"a".repeat(64), 2), &of(&"A".repeat(64), 1)] {
            assert_eq!(lying(text), None, "{text}");
        }
    }
}
