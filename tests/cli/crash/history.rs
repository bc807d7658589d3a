//! The changes that a program made to a tree of files, in order.

use std::{ffi::OsString, time::SystemTime};

use super::disk::{Disk, Inode};

/// A change, or a call that makes changes durable. Files are named by their inodes, so that a change can be applied
/// without those before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Operation {
    /// A new name of a file, folder or link.
    Enter {
        folder: Inode,
        name: OsString,
        inode: Inode,
    },
    /// A name is removed.
    Leave {
        folder: Inode,
        name: OsString,
        inode: Inode,
    },
    /// A rename. A file that had the new name loses it.
    Move {
        from: (Inode, OsString),
        to: (Inode, OsString),
        inode: Inode,
        is_folder: bool,
    },
    /// Two names are exchanged.
    Exchange {
        one: (Inode, OsString, Inode),
        other: (Inode, OsString, Inode),
    },
    Write {
        inode: Inode,
        at: usize,
        bytes: Vec<u8>,
    },
    Resize {
        inode: Inode,
        length: usize,
    },
    Mode {
        inode: Inode,
        mode: u32,
    },
    Time {
        inode: Inode,
        modified: SystemTime,
    },
    /// fsync of a file or folder, or fdatasync.
    Sync {
        inode: Inode,
    },
    /// sync or syncfs.
    SyncAll,
}

impl Operation {
    /// The folders whose entries it changes.
    pub(super) fn folders(&self) -> Vec<Inode> {
        match self {
            Self::Enter { folder, .. } | Self::Leave { folder, .. } => vec![*folder],
            Self::Move { from, to, .. } => vec![from.0, to.0],
            Self::Exchange { one, other } => vec![one.0, other.0],
            _ => Vec::new(),
        }
    }

    /// The file whose content or attributes it changes.
    pub(super) fn file(&self) -> Option<Inode> {
        match self {
            Self::Write { inode, .. }
            | Self::Resize { inode, .. }
            | Self::Mode { inode, .. }
            | Self::Time { inode, .. } => Some(*inode),
            _ => None,
        }
    }

    pub(super) fn apply(&self, disk: &mut Disk) {
        match self {
            Self::Enter { folder, name, inode } => disk.enter(*folder, name, *inode),
            Self::Leave { folder, name, inode } => disk.leave(*folder, name, *inode),
            Self::Move { from, to, inode, is_folder } => {
                disk.leave(from.0, &from.1, *inode);
                if *is_folder {
                    // An earlier rename may be lost. A folder is in one place only.
                    disk.detach(*inode);
                }
                disk.enter(to.0, &to.1, *inode);
            }
            Self::Exchange { one, other } => {
                disk.enter(one.0, &one.1, other.2);
                disk.enter(other.0, &other.1, one.2);
            }
            Self::Write { inode, at, bytes } => {
                let content = &mut disk.nodes[*inode].content;
                content.resize(content.len().max(at + bytes.len()), 0);
                content[*at..at + bytes.len()].copy_from_slice(bytes);
            }
            Self::Resize { inode, length } => disk.nodes[*inode].content.resize(*length, 0),
            Self::Mode { inode, mode } => disk.nodes[*inode].mode = *mode,
            Self::Time { inode, modified } => disk.nodes[*inode].modified = Some(*modified),
            Self::Sync { .. } | Self::SyncAll => {}
        }
        // The time of a file or folder that was changed is the time of the change. The exact time has no effect.
        for folder in self.folders() {
            disk.nodes[folder].modified = None;
        }
        if let Self::Write { inode, .. } | Self::Resize { inode, .. } = self {
            disk.nodes[*inode].modified = None;
        }
    }
}

/// A recorded operation.
#[derive(Debug, Clone)]
pub(super) struct Recorded {
    pub(super) operation: Operation,
    /// The number of operations that had ended when it began.
    pub(super) began_after: usize,
}

/// The state of a tree before a program ran, and the operations of the program.
#[derive(Debug, Clone)]
pub(super) struct History {
    /// The tree before. Files that are created later are in it without a name.
    pub(super) before: Disk,
    pub(super) operations: Vec<Recorded>,
}

impl History {
    /// The tree afterwards, if nothing is lost.
    pub(super) fn after(&self) -> Disk {
        let mut disk = self.before.clone();
        self.operations.iter().for_each(|recorded| recorded.operation.apply(&mut disk));
        disk
    }
}
