//! The records of items in the receipt.

use std::{collections::BTreeMap, path::Path};

use super::{Item, Items, KeptFiles, PARENT_FOLDER, PostStartItems, Previous, Receipt, WHOLE};
use crate::fs::FsError;

impl Receipt {
    /// The record of an item of a profile.
    pub fn item(&self, profile: &str, file: &Path, part: &str) -> Option<&Item> {
        self.items.get(profile)?.get(file)?.get(part)
    }

    /// The records of all items of a profile at a path.
    pub fn items_at(&self, profile: &str, file: &Path) -> impl Iterator<Item = (&String, &Item)> {
        self.items.get(profile).and_then(|items| items.get(file)).into_iter().flatten()
    }

    /// The entry of the post-start stage that makes an item of a profile.
    pub fn post_start_entry(&self, profile: &str, file: &Path, part: &str) -> Option<&str> {
        self.post_start.get(profile)?.get(file)?.get(part).map(String::as_str)
    }

    /// Whether the post-start stage of a profile has exactly these items.
    pub fn is_post_start(&self, profile: &str, items: &PostStartItems) -> bool {
        self.post_start.get(profile).map_or_else(|| items.is_empty(), |known| known == items)
    }

    /// Records the items of the post-start stage of a profile.
    pub fn set_post_start(&mut self, profile: &str, items: &PostStartItems) {
        if items.is_empty() {
            self.post_start.remove(profile);
        } else {
            self.post_start.insert(profile.to_owned(), items.clone());
        }
    }

    /// Whether another profile has a record of an item.
    pub fn has_item_elsewhere(&self, profile: &str, file: &Path, part: &str) -> bool {
        self.items.keys().any(|other| other != profile && self.item(other, file, part).is_some())
    }

    /// Whether a path is as profiles made it, and not of others: an item, a delivered secret, or a file of a service.
    pub fn is_made(&self, file: &Path) -> bool {
        let has_item =
            |items: &Items| items.get(file).is_some_and(|parts| parts.keys().any(|part| part != PARENT_FOLDER));
        self.items.values().any(has_item)
            || self.delivered.values().any(|files| files.contains_key(file))
            || self.services.values().flat_map(BTreeMap::values).any(|service| service.files.contains_key(file))
    }

    /// Records that nodeagent writes an item. A whole file replaces all other items at its path.
    pub fn note_item(&mut self, profile: &str, file: &Path, item: Item) {
        let part = item.part();
        let parts = self.items.entry(profile.to_owned()).or_default().entry(file.to_owned()).or_default();
        let item = match parts.remove(&part) {
            Some(earlier) => item.renewing(earlier),
            None => item,
        };
        if part == WHOLE {
            parts.clear();
        }
        parts.insert(part, item);
    }

    /// Records that an archive is unpacked completely: the paths of earlier archives are no longer there. `restored`
    /// has the files that are as before again.
    pub fn note_unpacked(&mut self, profile: &str, file: &Path, list: &Previous, restored: &KeptFiles) {
        let item = self.items.get_mut(profile).and_then(|items| items.get_mut(file)?.get_mut(WHOLE));
        if let Some(Item::Unpacked { lists, replaced, .. }) = item {
            *lists = vec![list.clone()];
            replaced.retain(|path, _| !restored.contains_key(path));
        }
    }

    /// Removes the record of an item.
    pub fn forget_item(&mut self, profile: &str, file: &Path, part: &str) {
        let Some(items) = self.items.get_mut(profile) else { return };
        if let Some(parts) = items.get_mut(file) {
            parts.remove(part);
            if parts.is_empty() {
                items.remove(file);
            }
        }
        if items.is_empty() {
            self.items.remove(profile);
        }
    }

    /// The copies of previous files that the items need.
    fn previous_files(&self) -> impl Iterator<Item = &Previous> {
        self.items.values().flat_map(BTreeMap::values).flat_map(BTreeMap::values).flat_map(Item::copies)
    }

    /// Removes the copy of a previous file if no item needs it.
    ///
    /// # Errors
    /// If it cannot be removed.
    pub fn remove_unused_copy(root: &Path, previous: &Previous) -> Result<(), FsError> {
        let receipt = Self::read(root);
        if receipt.previous_files().any(|needed| needed.sha256 == previous.sha256) {
            return Ok(());
        }
        previous.remove(root)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        fs::Snapshot,
        managed_block::{ManagedBlock, Position},
    };

    fn is_written(item: &Item, bytes: &[u8]) -> bool {
        item.is_as_written(Some(&Snapshot { bytes: Some(bytes.to_vec()), ..Snapshot::default() }))
    }

    #[test]
    fn a_file_written_again_keeps_the_state_before_the_first_writing() {
        let (path, mut receipt) = (Path::new("/etc/x"), Receipt::default());
        let before = Some(Previous { sha256: "0".repeat(64), mode: 0o600, owner: (0, 0) });
        let Item::File { digests, .. } = Item::of_text(b"one", None) else { panic!("a file") };
        receipt.note_item("p", path, Item::File { digests, before: before.clone() });
        for text in [b"two".as_slice(), b"three"] {
            receipt.note_item("p", path, Item::of_text(text, None));
        }
        let item = receipt.item("p", path, WHOLE).expect("recorded");
        assert!(matches!(item, Item::File { before: found, digests } if *found == before && digests.len() == 2));
        assert!(is_written(item, b"two") && is_written(item, b"three"));
        assert!(!is_written(item, b"one") && !item.is_as_written(None));
    }

    #[test]
    fn a_whole_file_replaces_the_blocks_in_it_and_nothing_is_left_of_the_last_item() {
        let (path, mut receipt) = (Path::new("/etc/x"), Receipt::default());
        let block = ManagedBlock::only("#", Position::End);
        receipt.note_item("p", path, Item::of_text(b"x\n", Some((&block, false))));
        receipt.note_item("p", path, Item::of_text(b"y\n", None));
        assert_eq!(receipt.items_at("p", path).map(|(part, _)| part.as_str()).collect::<Vec<_>>(), [WHOLE]);
        assert!(receipt.has_item_elsewhere("q", path, WHOLE) && !receipt.has_item_elsewhere("p", path, WHOLE));
        receipt.forget_item("p", path, WHOLE);
        assert_eq!(receipt, Receipt::default());
    }

    #[test]
    fn a_copy_stays_as_long_as_an_item_needs_it() {
        let temp = tempfile::tempdir().expect("a temporary folder");
        let root = temp.path();
        let found = Snapshot { bytes: Some(b"old".to_vec()), mode: 0o640, ..Snapshot::default() };
        let previous = Previous::keep(root, &found).expect("written").expect("a file");
        let item = Item::File { digests: Vec::new(), before: Some(previous.clone()) };
        Receipt::update(root, |receipt| receipt.note_item("p", Path::new("/x"), item)).expect("written");
        Receipt::remove_unused_copy(root, &previous).expect("looked");
        assert_eq!(previous.content(root).expect("readable").as_deref(), Some(&b"old"[..]));
        Receipt::update(root, |receipt| receipt.forget_item("p", Path::new("/x"), "whole")).expect("written");
        Receipt::remove_unused_copy(root, &previous).expect("removed");
        assert_eq!(previous.content(root).expect("readable"), None);
    }
}
