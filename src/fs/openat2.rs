//! The system call `openat2` (Linux 5.6), which restricts how a path is resolved.

use std::{
    os::fd::{BorrowedFd, OwnedFd},
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
};

use nix::{
    errno::Errno,
    fcntl::{OFlag, OpenHow, ResolveFlag, openat2 as call},
};

/// The type of [`openat2`].
pub(super) type OpenAt2 = fn(BorrowedFd<'_>, &Path, OFlag, ResolveFlag) -> Result<OwnedFd, Errno>;

/// Whether the kernel, or the system call filter of a container engine, has refused the call.
static IS_MISSING: AtomicBool = AtomicBool::new(false);

/// Opens a path below an open folder.
///
/// # Errors
/// `ENOSYS` if this node does not have the call; otherwise the errors of `openat2(2)`.
pub(super) fn openat2(
    folder: BorrowedFd<'_>,
    path: &Path,
    flags: OFlag,
    resolve: ResolveFlag,
) -> Result<OwnedFd, Errno> {
    if IS_MISSING.load(Ordering::Relaxed) {
        return Err(Errno::ENOSYS);
    }
    match call(folder, path, OpenHow::new().flags(flags).resolve(resolve)) {
        // Older filters answer EPERM to calls that they do not know.
        Err(Errno::ENOSYS | Errno::EPERM) => {
            IS_MISSING.store(true, Ordering::Relaxed);
            Err(Errno::ENOSYS)
        }
        opened => opened,
    }
}
