//! An item in credstash's table, in the JSON of DynamoDB.

use std::collections::BTreeMap;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::Deserialize;

/// The digest of an item without the attribute `digest`.
const DEFAULT_DIGEST: &str = "SHA256";

/// The attributes of an item, by name.
pub(super) type Attributes = BTreeMap<String, Attribute>;

/// A value of DynamoDB, of the two types that credstash writes. Values are not secret: they are encrypted.
#[derive(Debug, Deserialize)]
pub(super) struct Attribute {
    /// Text.
    #[serde(rename = "S")]
    text: Option<String>,
    /// Bytes, in base64.
    #[serde(rename = "B")]
    bytes: Option<String>,
}

/// The stored form of a secret.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct StoredItem {
    /// The data key, encrypted by KMS.
    pub(super) key: Vec<u8>,
    pub(super) contents: Vec<u8>,
    pub(super) mac: Vec<u8>,
    pub(super) digest: String,
}

impl StoredItem {
    /// Parses an item.
    ///
    /// # Errors
    /// A description of the first mistake.
    pub(super) fn read(attributes: &Attributes) -> Result<Self, String> {
        let attribute = |name: &str| attributes.get(name).ok_or_else(|| format!("it has no `{name}`"));
        let encoded = |name: &str| {
            let wrong = || format!("its `{name}` is not base64");
            decoded(attribute(name)?.text.as_deref().ok_or_else(wrong)?.as_bytes()).ok_or_else(wrong)
        };
        let no_mac = || "its `hmac` is not hexadecimal".to_owned();
        // The MAC is hexadecimal text, stored as bytes. Older versions stored it as text.
        let mac = match attribute("hmac")? {
            Attribute { text: Some(text), .. } => text.clone().into_bytes(),
            Attribute { bytes: Some(bytes), .. } => decoded(bytes.as_bytes()).ok_or_else(no_mac)?,
            _ => return Err(no_mac()),
        };
        Ok(Self {
            key: encoded("key")?,
            contents: encoded("contents")?,
            mac: hex::decode(mac).map_err(|_| no_mac())?,
            digest: text(attributes, "digest").unwrap_or(DEFAULT_DIGEST).to_owned(),
        })
    }
}

/// The text of an attribute.
pub(super) fn text<'a>(attributes: &'a Attributes, name: &str) -> Option<&'a str> {
    attributes.get(name)?.text.as_deref()
}

pub(super) fn encoded(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

pub(super) fn decoded(text: &[u8]) -> Option<Vec<u8>> {
    STANDARD.decode(text).ok()
}

#[cfg(test)]
pub(super) mod tests {
    use serde_json::json;

    use super::*;

    fn read(item: serde_json::Value) -> Result<StoredItem, String> {
        StoredItem::read(&serde_json::from_value(item).expect("attributes"))
    }

    #[test]
    fn a_mac_is_hexadecimal_text_stored_as_bytes_or_as_text() {
        let bytes = json!({ "key": { "S": "aw==" }, "contents": { "S": "" }, "hmac": { "B": "MGFmZg==" } });
        let text = json!({ "key": { "S": "aw==" }, "contents": { "S": "" }, "hmac": { "S": "0aff" }, "digest": { "S": "MD5" } });
        let expected = |digest: &str| StoredItem {
            key: b"k".to_vec(),
            contents: Vec::new(),
            mac: vec![0x0a, 0xff],
            digest: digest.to_owned(),
        };
        assert_eq!(read(bytes), Ok(expected("SHA256")));
        assert_eq!(read(text), Ok(expected("MD5")));
    }

    #[test]
    fn the_error_for_an_invalid_item_names_the_attribute() {
        for (item, error) in [
            (json!({}), "it has no `hmac`"),
            (
                json!({ "hmac": { "S": "zz" }, "key": { "S": "" }, "contents": { "S": "" } }),
                "its `hmac` is not hexadecimal",
            ),
            (json!({ "hmac": { "N": "1" } }), "its `hmac` is not hexadecimal"),
            (json!({ "hmac": { "S": "" } }), "it has no `key`"),
            (json!({ "hmac": { "S": "" }, "key": { "S": "!" } }), "its `key` is not base64"),
            (
                json!({ "hmac": { "S": "" }, "key": { "S": "" }, "contents": { "B": "" } }),
                "its `contents` is not base64",
            ),
        ] {
            assert_eq!(read(item), Err(error.to_owned()));
        }
    }
}
