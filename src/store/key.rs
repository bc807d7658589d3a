//! Keys: one name for everything that determines an artefact.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::digest::Digest;

/// The kind of artefact that an entry describes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A built R package.
    RBuild,
    /// A wheel built from a source archive.
    Wheel,
    /// The compiled byte code of a wheel's modules.
    ByteCode,
    /// A restorable set of installed files.
    Layer,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 4] = [Self::RBuild, Self::Wheel, Self::ByteCode, Self::Layer];

    /// The name of the kind, which is also the name of its folder.
    pub fn name(self) -> &'static str {
        match self {
            Self::RBuild => "r-build",
            Self::Wheel => "wheel",
            Self::ByteCode => "byte-code",
            Self::Layer => "layer",
        }
    }
}

/// The SHA-256 of the kind and of all facts that determine an artefact.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(String);

impl Key {
    /// The key for these facts. The order of names in a map does not matter.
    pub fn of(kind: Kind, facts: &impl Serialize) -> Self {
        let facts = serde_json::to_value(facts).expect("our own types can be written");
        let mut text = String::new();
        canonical(&serde_json::json!([kind, facts]), &mut text);
        Self(Digest::sha256(text.as_bytes()).hex().to_owned())
    }

    /// The key of the lease for fetching an object.
    pub fn of_object(digest: &Digest) -> Self {
        Self(Digest::sha256(format!("object {}", digest.hex()).as_bytes()).hex().to_owned())
    }

    /// The key with this name.
    pub(super) fn named(hex: &str) -> Self {
        Self(hex.to_owned())
    }

    /// The hexadecimal digits.
    pub fn hex(&self) -> &str {
        &self.0
    }
}

/// Writes JSON without spaces and with sorted names, so that equal values give equal texts.
fn canonical(value: &Value, text: &mut String) {
    let mut parts = |open: char, close: char, parts: Vec<(Option<&String>, &Value)>| {
        text.push(open);
        for (index, (name, part)) in parts.into_iter().enumerate() {
            if index > 0 {
                text.push(',');
            }
            if let Some(name) = name {
                text.push_str(&Value::String(name.clone()).to_string());
                text.push(':');
            }
            canonical(part, text);
        }
        text.push(close);
    };
    match value {
        Value::Array(list) => parts('[', ']', list.iter().map(|part| (None, part)).collect()),
        Value::Object(map) => {
            let mut named: Vec<_> = map.iter().map(|(name, part)| (Some(name), part)).collect();
            named.sort_by_key(|(name, _)| *name);
            parts('{', '}', named);
        }
        plain => text.push_str(&plain.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_key_depends_on_facts_and_kind_and_not_on_their_order() {
        let one: Value = serde_json::from_str(r#"{"r":"4.2.2","flags":["-O2"]}"#).expect("JSON");
        let same: Value = serde_json::from_str(r#"{"flags":["-O2"],"r":"4.2.2"}"#).expect("JSON");
        assert_eq!(Key::of(Kind::RBuild, &one), Key::of(Kind::RBuild, &same));
        assert_ne!(Key::of(Kind::RBuild, &one), Key::of(Kind::Wheel, &one));
        assert_ne!(Key::of(Kind::RBuild, &one), Key::of(Kind::RBuild, &json!({"r": "4.2.3", "flags": ["-O2"]})));
    }

    #[test]
    fn keys_do_not_change_between_releases() {
        let key = Key::of(Kind::Wheel, &json!({"b": [1, null, "\"x\""], "a": {"y": true, "x": 0.5}}));
        let text = r#"["wheel",{"a":{"x":0.5,"y":true},"b":[1,null,"\"x\""]}]"#;
        assert_eq!(key.hex(), Digest::sha256(text.as_bytes()).hex());
    }

    #[test]
    fn names_of_kinds_equal_their_json_names() {
        for kind in Kind::ALL {
            assert_eq!(serde_json::to_value(kind).expect("written"), kind.name());
        }
    }
}
