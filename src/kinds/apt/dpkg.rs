//! The state of dpkg's database, and the command that finishes interrupted configurations.

use super::{command, dpkg_locks};
use crate::{
    facts::dpkg::Dpkg,
    fs::{self, Attributes},
    problem::Problem,
    steps::Context,
};

/// Reads dpkg's status file.
pub(super) fn state(ctx: &Context) -> Result<Dpkg, Problem> {
    Dpkg::read(&ctx.root).map_err(|error| Problem::new("dpkg's status file cannot be read").because(&error))
}

/// Configures all unpacked packages. The exit status is ignored: packages with missing dependencies always fail here,
/// and are repaired later.
pub(super) async fn configure(ctx: &Context) -> Result<(), Problem> {
    ctx.progress.now("finishing an earlier installation", None);
    dpkg_locks::wait(ctx, &dpkg_locks::DPKG).await;
    ctx.runner.run(&command::configure_all().log(ctx.logs.join(command::LOG))).await?;
    Ok(())
}

/// Saves dpkg's status file before the first change. `nodeagent lock` resolves against this state of the runtime.
pub(super) fn remember_shipped(ctx: &Context) -> Result<(), Problem> {
    let (kept, status) = (crate::state::shipped_dpkg(&ctx.root), ctx.on_node("/var/lib/dpkg/status"));
    match std::fs::read(&status) {
        Ok(bytes) if !kept.exists() => Ok(fs::replace(&kept, &bytes, Attributes::mode(0o644))?),
        _ => Ok(()),
    }
}
