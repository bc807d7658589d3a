//! The DBFS FUSE daemon of Databricks. It reads the certificates of the system only when it starts.

use std::{path::Path, time::Duration};

use crate::{exec::Cmd, fs, steps::Context};

/// The program of the Databricks runtime that restarts the daemon. Public init scripts that add certificates call it.
const RESTART: &str = "/databricks/spark/scripts/restart_dbfs_fuse_daemon.sh";
/// The mount point of DBFS.
const MOUNT: &str = "/dbfs";
const LIMIT: Duration = Duration::from_secs(60);

/// Restarts the daemon, if the node has one. A failure is a warning: only access to DBFS depends on it.
pub(super) async fn restart(ctx: &Context, log: &str) {
    let program = ctx.on_node(RESTART);
    if !program.is_file() {
        return;
    }
    let restarted = if ctx.filestore.root.starts_with(MOUNT) {
        // Other steps read files of the file store now.
        Err(format!("the file store is on DBFS; call `{RESTART}` in a hook"))
    } else if fs::is_writable_only_by_root(&ctx.root, &program) {
        let cmd = Cmd::new(program.display().to_string()).timeout(Some(LIMIT)).log(ctx.logs.join(Path::new(log)));
        ctx.runner.run(&cmd).await.and_then(|done| done.ok(&cmd)).map(drop).map_err(|error| error.to_string())
    } else {
        Err(format!("a user other than root can change `{RESTART}`"))
    };
    if let Err(why) = restarted {
        ctx.progress
            .warn(format!("the DBFS FUSE daemon was not restarted and may not trust the new certificates: {why}"));
    }
}
