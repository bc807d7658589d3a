//! The entry function of a fuzz target.

use std::path::Path;

use super::{alternatives, fstab, swap};

/// fstab, `/proc/swaps`, and the file of a group of alternatives.
pub(crate) fn files(data: &[u8]) {
    let path = Path::new("/swapfile");
    let _ = (fstab::has_swap(data, path), fstab::has_mount(data, path), swap::is_active(data, path));
    let text = String::from_utf8_lossy(data);
    alternatives::parse(&text);
    if let Some(size) = swap::size_of(&text) {
        assert_eq!(swap::size_of(&swap::shown(size)), Some(size), "a written size is another one");
    }
}
