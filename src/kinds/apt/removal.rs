//! Removes packages that the profile declares absent.

use std::collections::BTreeSet;

use super::{action::AptRemoval, command, dpkg, dpkg_locks, error::AptError, hints::Diagnosis, lists::PackageLists};
use crate::{problem::Problem, steps::Context};

/// The title of the command in messages.
const TITLE: &str = "apt-get remove";

/// Refuses a removal that would also remove packages which the profile does not permit to be removed.
pub(super) async fn prepare(ctx: &Context, wanted: &AptRemoval) -> Result<(), Problem> {
    let cmd = command::remove(&PackageLists::of_node(ctx).folder, &wanted.packages, true);
    let done = ctx.runner.run(&cmd).await.map_err(|error| AptError::from(error).error)?;
    if done.stderr.contains("Essential packages were removed") {
        let message =
            format!("removing {} would remove packages that the node cannot work without", listed(&wanted.packages));
        return Err(Problem::refused(message).hint("remove the entry from `absent`".to_owned()));
    }
    if done.code != 0 {
        return Err(AptError::of(TITLE, &done).error);
    }
    let removed = removed(&done.stdout);
    let others: Vec<&str> = removed.iter().copied().filter(|name| !wanted.removable.contains(*name)).collect();
    if others.is_empty() {
        return Ok(());
    }
    let message = format!("removing {} would also remove {}", listed(&wanted.packages), listed(&others));
    let hint = "they depend on it; if they may be removed, list them under `absent` or `allow-change` in `[apt]`";
    Err(Problem::refused(message).hint(hint.to_owned()))
}

/// Removes the packages, then verifies that they are gone.
pub(super) async fn act(ctx: &Context, wanted: &AptRemoval) -> Result<(), Problem> {
    dpkg_locks::wait(ctx, &dpkg_locks::DPKG).await;
    dpkg::remember_shipped(ctx)?;
    let cmd = command::remove(&PackageLists::of_node(ctx).folder, &wanted.packages, false);
    let cmd = cmd.log(ctx.logs.join(command::LOG));
    let mut is_repaired = false;
    loop {
        ctx.progress.now("removing", None);
        let done = ctx.runner.run(&cmd).await.map_err(|error| AptError::from(error).error)?;
        if done.code == 0 {
            return verify(ctx, wanted);
        }
        let error = AptError::of(TITLE, &done);
        match error.diagnosis {
            Some(Diagnosis::Locked) => tokio::time::sleep(dpkg_locks::INTERVAL).await,
            Some(Diagnosis::Interrupted) if !is_repaired => {
                is_repaired = true;
                dpkg::configure(ctx).await?;
            }
            // apt's exit status proves nothing: one broken package of the node makes every transaction fail.
            _ if verify(ctx, wanted).is_ok() => {
                ctx.progress.warn(format!("apt: the packages are removed, although {}", error.error));
                return Ok(());
            }
            _ => return Err(error.error),
        }
    }
}

fn verify(ctx: &Context, wanted: &AptRemoval) -> Result<(), Problem> {
    let dpkg = dpkg::state(ctx)?;
    let left: Vec<&String> = wanted.packages.iter().filter(|name| dpkg.installed_version(name).is_some()).collect();
    if left.is_empty() {
        return Ok(());
    }
    Err(Problem::new(format!("apt reported success, but {} is still installed", listed(&left))))
}

/// The packages in the output of a simulated removal: `Remv jq [1.6-2.1]`.
fn removed(output: &str) -> BTreeSet<&str> {
    let lines = output.lines().filter_map(|line| line.strip_prefix("Remv "));
    let names = lines.filter_map(|line| line.split_ascii_whitespace().next());
    names.map(|name| name.split(':').next().unwrap_or(name)).collect()
}

fn listed(names: &[impl AsRef<str>]) -> String {
    let names: Vec<String> = names.iter().map(|name| format!("`{}`", name.as_ref())).collect();
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn removed_packages_are_read_from_the_simulation() {
        let output =
            "The following packages will be REMOVED:\n  jq libjq1\nRemv jq [1.6-2.1]\nRemv libjq1:i386 [1.6]\n";
        assert_eq!(removed(output), BTreeSet::from(["jq", "libjq1"]));
    }
}
