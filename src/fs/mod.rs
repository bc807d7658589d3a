//! Writes files and folders. No other module writes. Files are replaced atomically, and symbolic links of other users
//! are not followed.

mod archive;
mod bounded;
mod compressed;
mod error;
#[cfg(test)]
mod exchange_tests;
mod folder;
mod log;
mod memory;
mod merge;
mod mounts;
mod new_file_guard;
mod node_path;
mod openat2;
mod operations;
mod pack;
mod partial;
mod partial_cleanup;
mod path_entry;
mod snapshot;
mod staging;
mod stamp;
#[cfg(test)]
mod tests;
mod tree;
mod unpack;
mod walk;

pub use archive::{OpenedArchive, deb_control, open_archive};
pub use bounded::read_bounded;
pub use compressed::{compress_contents, compress_files, open_compressed};
pub use error::{DISK_FULL, FsError};
pub use log::LineLog;
pub use memory::memory_file;
pub use mounts::{Mount, is_mount_point, mounts, on_same_mount, unescaped};
pub use new_file_guard::NewFileGuard;
pub use operations::{
    append, copy_with_time, create_dirs, create_dirs_durably, free_bytes, hard_link, has_few_inodes, is_writable,
    is_writable_only_by_root, open_private_lock, open_to_lock, own_ids, remove, remove_tree, rename, set_kernel_value,
    set_owner, set_umask, sync_file_system, sync_folder, write_refusal,
};
pub use pack::{pack, pack_some};
pub use partial::{Attributes, PartialFile, replace};
pub use partial_cleanup::{remove_abandoned_partial_files_below, remove_partial_files_below, remove_partial_files_of};
pub use path_entry::{PathEntry, PathType, change_attributes, look_at, make_folder, make_link, remove_path};
pub use snapshot::{Snapshot, open_file, read, read_large};
pub use staging::Staging;
pub use stamp::{Stamp, remove_if};
pub use tree::{FolderEntry, OpenFile, Tree};
#[cfg(test)]
pub(crate) use unpack::unpack;
pub use unpack::{
    ArchiveKind, ArchiveName, Limits, UnpackedNames, UnsafeArchive, archive_names, check_names, read_archive,
};
pub use walk::{DirEntry, walk};

/// Writes a file of a test, with its folders.
#[cfg(test)]
pub(crate) fn put(path: &std::path::Path, text: &str) {
    replace(path, text.as_bytes(), Attributes::default()).expect("the file of the test can be written");
}
