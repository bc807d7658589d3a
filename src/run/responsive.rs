//! Whether a mounted file system answers.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use crate::{
    exec::{Cmd, Runner as _, SystemRunner},
    fs::{Mount, mounts},
};

/// The beginnings of the types of file systems whose calls wait for a server or a program.
const REMOTE: [&str; 8] = ["fuse", "nfs", "cifs", "smb", "9p", "ceph", "lustre", "glusterfs"];

/// A file system that does not answer.
#[derive(Debug, thiserror::Error)]
#[error("`{}` does not answer: `stat` did not return within {}", .folder.path.display(), humantime::format_duration(*.patience))]
pub struct Unresponsive {
    folder: Box<RemoteFolder>,
    patience: Duration,
}

impl Unresponsive {
    /// A hint for the user.
    pub fn hint(&self) -> String {
        let Mount { point, kind, .. } = &self.folder.mount;
        format!(
            "the file system `{kind}` at `{}` hangs: restart its daemon or the node, or name another file store, such as \
             `--filestore dbfs:/FileStore`",
            point.display()
        )
    }
}

/// A folder on a network file system or FUSE. Its calls may never return.
#[derive(Debug)]
pub struct RemoteFolder {
    path: PathBuf,
    mount: Mount,
}

impl RemoteFolder {
    /// The folder, if its path is on such a file system. This does not touch the folder.
    pub fn of(root: &Path, folder: &Path) -> Option<Self> {
        let path = std::path::absolute(folder).ok()?;
        let mount = remote_mount(mounts(root), &path)?;
        Some(Self { path, mount })
    }

    /// Checks that the file system answers within a time. Call it outside the async runtime.
    ///
    /// A child asks, not a thread: the kernel does not end a process with a thread in such a call, so nodeagent itself
    /// would hang beyond its deadline.
    ///
    /// # Errors
    /// If the file system does not answer.
    pub fn check(self, patience: Duration) -> Result<(), Unresponsive> {
        let cmd = Cmd::new("stat").args(["--", &self.path.display().to_string()]);
        let runner = SystemRunner::new(None, []);
        // Without a runtime the folder is not tested.
        let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return Ok(()) };
        // When the time is over, the child is killed but not waited for.
        let answered = runtime.block_on(async { tokio::time::timeout(patience, runner.run(&cmd)).await });
        runtime.shutdown_background();
        match answered {
            // The caller decides whether the folder exists. A node without `stat` is not tested.
            Ok(_) => Ok(()),
            Err(_) => Err(Unresponsive { folder: Box::new(self), patience }),
        }
    }
}

/// The mount of a path, if it is a network file system or FUSE below the root of the node.
fn remote_mount(mounts: Vec<Mount>, path: &Path) -> Option<Mount> {
    let above = mounts.into_iter().enumerate().filter(|(_, mount)| path.starts_with(&mount.point));
    // A later mount hides an earlier one at the same point.
    let (_, mount) = above.max_by_key(|(at, mount)| (mount.point.components().count(), *at))?;
    let is_remote = REMOTE.iter().any(|kind| mount.kind.starts_with(kind));
    // If the root itself hung, nodeagent would not have started.
    (is_remote && mount.point != Path::new("/")).then_some(mount)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_network_file_systems_and_fuse_are_tested() {
        let mount = |point: &str, kind: &str| Mount {
            point: point.into(),
            kind: kind.into(),
            source: "x".into(),
            part: "/".into(),
        };
        let mounts = || {
            vec![
                mount("/", "fuse.fuse-overlayfs"),
                mount("/dbfs", "fuse.goofys"),
                mount("/dbfs/local", "ext4"),
                mount("/data", "ext4"),
                mount("/data", "nfs4"),
            ]
        };
        let found = |path: &str| remote_mount(mounts(), Path::new(path)).map(|mount| mount.kind);
        assert_eq!(found("/dbfs/FileStore").as_deref(), Some("fuse.goofys"));
        assert_eq!(found("/data/x").as_deref(), Some("nfs4"));
        assert_eq!(["/dbfs/local/x", "/dbfsx", "/etc"].map(found), [None, None, None]);
    }
}
