//! The entry function of a fuzz target.

use super::{Serials, changes::Changes, items::Items, journal, listed_path::ListedPath};

/// The journal, the serials, and lists of changes and paths.
pub(crate) fn files(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    drop(journal::parse::<String>(&text));
    drop(serde_json::from_slice::<Serials>(data));
    drop(serde_json::from_slice::<Items>(data));
    drop(serde_json::from_slice::<Vec<ListedPath>>(data));
    if let Ok(changes) = serde_json::from_slice::<Changes>(data) {
        for text in [&b""[..], b"a\nb\n", data] {
            changes.is_undone(text);
        }
    }
}
