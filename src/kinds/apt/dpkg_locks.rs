//! Waits for the locks of dpkg and apt, and reports the process that holds them.
//!
//! apt does not name the holder while it waits, and its own timeout does not cover the lock of the package lists.

use std::{collections::BTreeSet, fs::File, path::Path, time::Duration};

use nix::{
    errno::Errno,
    fcntl::{FcntlArg, fcntl},
    libc::flock,
};

use crate::{fs, problem::Problem, steps::Context};

/// The locks of an installation.
pub(super) const DPKG: [&str; 2] = ["/var/lib/dpkg/lock-frontend", "/var/lib/dpkg/lock"];
/// The lock of an update.
pub(super) const LISTS: [&str; 1] = ["/var/lib/apt/lists/lock"];

/// The pause between two checks of a lock.
pub(super) const INTERVAL: Duration = Duration::from_millis(250);

/// Waits until no process holds any of the locks. Each holder is reported once. The deadline of the run cancels the
/// wait. Another process may take a lock after this function returns, so callers also handle apt's "locked" error.
pub(super) async fn wait(ctx: &Context, locks: &[&str]) {
    let mut named = BTreeSet::new();
    while let Some((lock, holder)) = locks.iter().find_map(|lock| Some((*lock, holder(&ctx.on_node(lock))?))) {
        if named.insert((lock, holder.clone())) {
            ctx.progress.waiting(lock, holder);
        }
        tokio::time::sleep(INTERVAL).await;
    }
}

/// Takes a lock, and waits until it is free. The lock is held until the file is dropped.
pub(super) async fn hold(ctx: &Context, lock: &str) -> Result<File, Problem> {
    let path = ctx.on_node(lock);
    let failed =
        |error: &(dyn std::error::Error + 'static)| Problem::new(format!("`{lock}` cannot be locked")).because(error);
    let file = fs::open_to_lock(&path).map_err(|error| failed(&error))?;
    loop {
        // A lock of the open file, not of the process: closing the file elsewhere in this process keeps it.
        match fcntl(&file, FcntlArg::F_OFD_SETLK(&write_lock())) {
            Ok(_) => return Ok(file),
            Err(Errno::EAGAIN | Errno::EACCES) => {
                wait(ctx, &[lock]).await;
                tokio::time::sleep(INTERVAL).await;
            }
            Err(error) => return Err(failed(&error)),
        }
    }
}

/// A request for an exclusive lock of a whole file.
fn write_lock() -> flock {
    flock {
        l_type: i16::try_from(nix::libc::F_WRLCK).unwrap_or_default(),
        l_whence: i16::try_from(nix::libc::SEEK_SET).unwrap_or_default(),
        l_start: 0,
        l_len: 0,
        l_pid: 0,
    }
}

/// The process that holds a lock, such as `unattended-upgr (pid 812)`. Returns `None` for a missing or unreadable
/// lock file: apt's own error is more precise.
fn holder(lock: &Path) -> Option<String> {
    let file = File::open(lock).ok()?;
    let mut lock = write_lock();
    fcntl(&file, FcntlArg::F_GETLK(&mut lock)).ok()?;
    (i32::from(lock.l_type) != nix::libc::F_UNLCK).then(|| name_of(lock.l_pid))
}

fn name_of(pid: i32) -> String {
    if pid <= 0 {
        return "a process outside this container".into();
    }
    match std::fs::read_to_string(format!("/proc/{pid}/comm")) {
        Ok(name) => format!("{} (pid {pid})", name.trim_end()),
        Err(_) => format!("pid {pid}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_free_lock_has_no_holder() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        assert_eq!(holder(&folder.path().join("missing")), None);
        let lock = folder.path().join("lock");
        drop(File::create(&lock).expect("created"));
        assert_eq!(holder(&lock), None);
    }

    #[test]
    fn a_holder_is_reported_with_its_process_id() {
        let own = i32::try_from(std::process::id()).expect("a pid");
        assert!(name_of(own).ends_with(&format!(" (pid {own})")), "{}", name_of(own));
        assert_eq!(name_of(i32::MAX), format!("pid {}", i32::MAX));
        assert_eq!(name_of(0), "a process outside this container");
    }
}
