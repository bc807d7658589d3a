//! The entry function of a fuzz target.

use std::time::{Duration, SystemTime};

use super::{
    Kind, StoreUrl,
    entry::Entry,
    layout, lease,
    stored_file::{SmallFile, Version},
};

/// An entry, a lease, and names of files and stores.
pub(crate) fn files(data: &[u8]) {
    for kind in Kind::ALL {
        let Some(entry) = Entry::parse(kind, data) else { continue };
        assert_eq!(Entry::parse(kind, &entry.to_bytes()), Some(entry), "a written entry is another one");
    }
    let modified = SystemTime::UNIX_EPOCH;
    let content = SmallFile { bytes: data.to_vec(), version: Version::Bytes(data.to_vec()), modified };
    let longest = Duration::from_secs(3600);
    let latest = jiff::Timestamp::now() + Duration::from_secs(3610);
    assert!(lease::until(&content, longest) <= latest, "a lease lasts too long");
    if let Ok(text) = std::str::from_utf8(data) {
        layout::name(text);
        drop(text.parse::<StoreUrl>());
    }
}
