//! The items that profiles made on a node: files, blocks. The receipt records each of them, so that a run can take back
//! items that its profile no longer names, and can tell an item that was never there from one that was changed.

use std::{collections::BTreeMap, path::PathBuf};

use serde::{Deserialize, Serialize};

use super::Previous;
use crate::{
    digest::Digest,
    fs::{Snapshot, Stamp},
    managed_block::ManagedBlock,
};

/// The items of a profile: by the path on the node, then by the part of the file.
pub type Items = BTreeMap<PathBuf, BTreeMap<String, Item>>;

/// The items of the post-start stage: by the path on the node and by the part of the file, the entry that makes
/// it.
pub type PostStartItems = BTreeMap<PathBuf, BTreeMap<String, String>>;

/// Copies of files that an item replaced or removed, by their absolute paths.
pub type KeptFiles = BTreeMap<PathBuf, Previous>;

/// The part of an item that is the whole path.
pub const WHOLE: &str = "whole";

/// An item that a profile made. Contains nothing that is derived from a secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "as", rename_all = "kebab-case", rename_all_fields = "kebab-case")]
pub enum Item {
    /// A whole file.
    File {
        /// The SHA-256 of the last two writings: after a kill, the file may be the older one.
        digests: Vec<String>,
        /// The file that was there before.
        before: Option<Previous>,
    },
    /// A whole file with a secret.
    SecretFile {
        /// The stamps of the last two writings.
        stamps: Vec<Stamp>,
    },
    /// A block in a file.
    Block {
        /// The first and the last line.
        marks: [String; 2],
        /// The SHA-256 of the lines between the marks, for the last two writings. Empty if they have a secret.
        digests: Vec<String>,
        /// Whether nodeagent created the file.
        created: bool,
    },
    /// An edit of lines.
    Lines {
        /// The name of the edit.
        edit: String,
        /// The digest of the edit as the profile writes it.
        wanted: String,
        /// The changes, as a copy that only root can read. `None` if they are not known.
        changes: Option<Previous>,
        /// Whether nodeagent created the file.
        created: bool,
        /// Its number among the edits of the file. Later ones are taken back first.
        order: usize,
    },
    /// A symbolic link.
    Link {
        /// Its target.
        target: PathBuf,
        /// The file that was there before.
        before: Option<Previous>,
        /// The target of the link that was there before.
        before_target: Option<PathBuf>,
    },
    /// A folder.
    Folder,
    /// A parent folder that nodeagent created for an item.
    ParentFolder,
    /// The files, folders and links of an archive.
    Unpacked {
        /// The digest of the archive, and the options of the entry.
        archive: String,
        /// The lists of the paths. More than one while an archive replaces another one.
        lists: Vec<Previous>,
        /// The files of others that the archive replaced.
        #[serde(default)]
        replaced: KeptFiles,
    },
    /// A path that was removed, or the paths that match a glob.
    Removed {
        /// The regular files among them.
        #[serde(default)]
        files: KeptFiles,
    },
    /// Permissions and owner of a path that something else created.
    Attributes {
        /// The permission bits that nodeagent set.
        mode: u32,
        /// The user and group ids that nodeagent set.
        owner: (u32, u32),
        /// The permission bits before.
        before_mode: u32,
        /// The user and group ids before.
        before_owner: (u32, u32),
    },
}

/// The part of an item that is the permissions and the owner of a path.
pub const ATTRIBUTES: &str = "attributes";

/// The part of an item that is a parent folder of other items.
pub const PARENT_FOLDER: &str = "folder";

impl Item {
    /// A whole file with this content, or a block of it.
    pub fn of_text(bytes: &[u8], block: Option<(&ManagedBlock, bool)>) -> Self {
        let digests = vec![Digest::sha256(bytes).to_string()];
        match block {
            None => Self::File { digests, before: None },
            Some((block, created)) => Self::Block { marks: block.marks().map(str::to_owned), digests, created },
        }
    }

    /// The part of the file that the item is.
    pub fn part(&self) -> String {
        match self {
            Self::File { .. }
            | Self::SecretFile { .. }
            | Self::Link { .. }
            | Self::Folder
            | Self::Unpacked { .. }
            | Self::Removed { .. } => WHOLE.to_owned(),
            Self::Block { marks: [begin, _], .. } => part_of_block(begin),
            Self::Lines { edit, .. } => edit.clone(),
            Self::Attributes { .. } => ATTRIBUTES.to_owned(),
            Self::ParentFolder => PARENT_FOLDER.to_owned(),
        }
    }

    /// Its number among the edits of a file. Later ones are taken back first.
    pub fn order(&self) -> usize {
        match self {
            Self::Lines { order, .. } => *order,
            Self::File { .. }
            | Self::SecretFile { .. }
            | Self::Block { .. }
            | Self::Link { .. }
            | Self::Folder
            | Self::ParentFolder
            | Self::Unpacked { .. }
            | Self::Removed { .. }
            | Self::Attributes { .. } => 0,
        }
    }

    /// The copies that the item needs.
    pub fn copies(&self) -> Vec<&Previous> {
        match self {
            Self::File { before, .. } | Self::Link { before, .. } => before.iter().collect(),
            Self::Removed { files } => files.values().collect(),
            Self::Lines { changes, .. } => changes.iter().collect(),
            Self::Unpacked { lists, replaced, .. } => lists.iter().chain(replaced.values()).collect(),
            Self::SecretFile { .. }
            | Self::Block { .. }
            | Self::Folder
            | Self::ParentFolder
            | Self::Attributes { .. } => Vec::new(),
        }
    }

    /// Whether the node has the item as nodeagent wrote it. For an edit of lines, its changes tell.
    pub fn is_as_written(&self, found: Option<&Snapshot>) -> bool {
        let bytes = found.and_then(|found| found.bytes.as_deref());
        match self {
            Self::File { digests, .. } => bytes.is_some_and(|bytes| is_among(digests, bytes)),
            Self::SecretFile { stamps } => {
                found.and_then(|found| found.stamp).is_some_and(|stamp| stamps.contains(&stamp))
            }
            Self::Block { marks, digests, .. } => bytes.is_some_and(|bytes| {
                let lines = block_of(marks).lines(bytes);
                lines.is_ok_and(|lines| lines.is_some_and(|lines| digests.is_empty() || is_among(digests, lines)))
            }),
            Self::Lines { .. } => bytes.is_some(),
            Self::Link { .. } | Self::Unpacked { .. } | Self::Removed { .. } => false,
            Self::Folder | Self::ParentFolder => found.is_some_and(|found| found.bytes.is_none()),
            Self::Attributes { mode, owner, .. } => {
                found.is_some_and(|found| (found.mode, found.owner) == (*mode, *owner))
            }
        }
    }

    /// The record of a new writing of an item that has a record already: the state before the first writing stays.
    pub(super) fn renewing(self, earlier: Self) -> Self {
        match (self, earlier) {
            (Self::File { digests, .. }, Self::File { digests: old, before }) => {
                Self::File { digests: last_two(old, digests), before }
            }
            (Self::SecretFile { stamps }, Self::SecretFile { stamps: old }) => {
                Self::SecretFile { stamps: last_two(old, stamps) }
            }
            (Self::Block { marks, digests, .. }, Self::Block { digests: old, created, .. }) => {
                let digests = if digests.is_empty() { digests } else { last_two(old, digests) };
                Self::Block { marks, digests, created }
            }
            (Self::Link { target, .. }, Self::Link { before, before_target, .. }) => {
                Self::Link { target, before, before_target }
            }
            (
                Self::Unpacked { archive, lists, mut replaced },
                Self::Unpacked { lists: old, replaced: replaced_before, .. },
            ) => {
                let old = old.into_iter().filter(|list| !lists.contains(list));
                replaced.extend(replaced_before);
                Self::Unpacked { archive, lists: old.chain(lists.clone()).collect(), replaced }
            }
            (Self::Removed { mut files }, Self::Removed { files: removed_before }) => {
                files.extend(removed_before);
                Self::Removed { files }
            }
            (Self::Attributes { mode, owner, .. }, Self::Attributes { before_mode, before_owner, .. }) => {
                Self::Attributes { mode, owner, before_mode, before_owner }
            }
            (new, _) => new,
        }
    }
}

/// The name of a block as a part of a file.
pub fn part_of_block(begin: &str) -> String {
    format!("block {begin}")
}

/// The block with these marks.
pub fn block_of([begin, end]: &[String; 2]) -> ManagedBlock {
    ManagedBlock::of_marks(begin.clone(), end.clone())
}

fn is_among(digests: &[String], bytes: &[u8]) -> bool {
    let digest = Digest::sha256(bytes).to_string();
    digests.contains(&digest)
}

fn last_two<T: PartialEq>(old: Vec<T>, new: Vec<T>) -> Vec<T> {
    let last = old.into_iter().next_back().filter(|last| !new.contains(last));
    last.into_iter().chain(new).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::managed_block::Position;

    fn is_written(item: &Item, bytes: &[u8]) -> bool {
        item.is_as_written(Some(&Snapshot { bytes: Some(bytes.to_vec()), ..Snapshot::default() }))
    }

    #[test]
    fn a_block_is_known_by_its_lines_alone() {
        let block = ManagedBlock::only("#", Position::End);
        let item = &Item::of_text(b"x\n", Some((&block, false)));
        let text = block.put(b"others\n", b"x\n").expect("paired");
        assert!(is_written(item, &[&text[..], b"more\n"].concat()));
        assert!(!is_written(item, b"others\n"));
        assert!(!is_written(item, &block.put(b"", b"y\n").expect("paired")));
    }
}
