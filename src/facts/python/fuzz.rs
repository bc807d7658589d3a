//! The entry function of a fuzz target.

use std::path::PathBuf;

use super::distribution::{Distribution, RecordEntry, bytecode_path, direct_url};

/// METADATA, the lines of RECORD, and `direct_url.json`.
pub(crate) fn metadata(data: &[u8]) {
    let mut found = Distribution {
        name: String::new(),
        version: String::new(),
        requires: Vec::new(),
        folder: PathBuf::new(),
        is_complete: false,
    };
    found.add_metadata(data);
    let text = String::from_utf8_lossy(data);
    for entry in text.lines().filter_map(RecordEntry::parse) {
        bytecode_path(entry.path.as_ref(), "cpython-311");
    }
    if let Ok(record) = serde_json::from_slice(data) {
        direct_url(&record);
    }
}
