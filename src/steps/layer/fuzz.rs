//! The entry function of a fuzz target.

use super::manifest::Manifest;
use crate::{
    store::{Entry, Key, Kind},
    trust::Trusted,
};

/// The manifest of a layer, as a text in an entry of the store.
pub(crate) fn manifest(data: &[u8]) {
    let Ok(entry) = serde_json::from_slice::<Entry>(data) else { return };
    let key = Key::of(Kind::Layer, &"fuzz");
    match Manifest::of(&entry, &key, &Trusted::default()) {
        Ok(manifest) => {
            let again = Manifest::of(&manifest.entry(None), &key, &Trusted::default()).ok();
            assert_eq!(again, Some(manifest), "a written manifest is another one");
        }
        Err(error) => drop(error.to_string()),
    }
}
