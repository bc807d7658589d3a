//! Waits for the locks of dpkg and apt, and says who holds them.
//!
//! apt names nobody while it waits, and its own time-out does not cover the lock of the package lists.

use std::{collections::BTreeSet, fs::File, path::Path, time::Duration};

use nix::fcntl::{FcntlArg, fcntl};

use crate::steps::Context;

/// The locks of an installation.
pub(super) const DPKG: [&str; 2] = ["/var/lib/dpkg/lock-frontend", "/var/lib/dpkg/lock"];
/// The lock of an update.
pub(super) const LISTS: [&str; 1] = ["/var/lib/apt/lists/lock"];

/// Between two looks at a lock.
pub(super) const INTERVAL: Duration = Duration::from_millis(250);

/// Returns when nobody holds any of the locks. Each holder is named once. The run's deadline ends the wait by dropping
/// it; between this wait and the program that takes the lock somebody may be faster, so its refusal is handled too.
pub(super) async fn wait(ctx: &Context, locks: &[&str]) {
    let mut named = BTreeSet::new();
    while let Some((lock, holder)) = locks.iter().find_map(|lock| Some((*lock, holder(&ctx.on_node(lock))?))) {
        if named.insert((lock, holder.clone())) {
            ctx.progress.waiting(lock, holder);
        }
        tokio::time::sleep(INTERVAL).await;
    }
}

/// Who holds a lock, such as `unattended-upgr (pid 812)`. A lock that is not there or may not be read is nobody's:
/// whoever needs it will say so better.
fn holder(lock: &Path) -> Option<String> {
    let file = File::open(lock).ok()?;
    let mut asked = nix::libc::flock {
        l_type: i16::try_from(nix::libc::F_WRLCK).ok()?,
        l_whence: i16::try_from(nix::libc::SEEK_SET).ok()?,
        l_start: 0,
        l_len: 0,
        l_pid: 0,
    };
    fcntl(&file, FcntlArg::F_GETLK(&mut asked)).ok()?;
    (i32::from(asked.l_type) != nix::libc::F_UNLCK).then(|| name_of(asked.l_pid))
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
    fn a_lock_that_nobody_holds_has_no_holder() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        assert_eq!(holder(&folder.path().join("missing")), None);
        let lock = folder.path().join("lock");
        drop(File::create(&lock).expect("created"));
        assert_eq!(holder(&lock), None);
    }

    #[test]
    fn a_holder_is_named_with_its_number() {
        let own = i32::try_from(std::process::id()).expect("a pid");
        assert!(name_of(own).ends_with(&format!(" (pid {own})")), "{}", name_of(own));
        assert_eq!(name_of(i32::MAX), format!("pid {}", i32::MAX));
        assert_eq!(name_of(0), "a process outside this container");
    }
}
