//! Repairs dpkg after a killed run, before a new transaction starts.

use std::path::PathBuf;

use super::{command::Request, deb_control::DebControl, dpkg, install, resolve};
use crate::{facts::dpkg::Dpkg, problem::Problem, steps::Context};

/// Brings dpkg into a consistent state: configures unpacked packages and installs missing dependencies. `files` are
/// the local packages of this step, because a half-installed package may come from one of them. Does nothing if dpkg
/// has no unfinished work.
pub(super) async fn run(ctx: &Context, files: &[PathBuf], debs: &[DebControl]) -> Result<(), Problem> {
    if !dpkg::state(ctx)?.is_unfinished() {
        return Ok(());
    }
    dpkg::configure(ctx).await?;
    let state = dpkg::state(ctx)?;
    if state.broken().is_empty() {
        return Ok(());
    }
    let again = packages_to_unpack(&state, files, debs);
    let repaired = async {
        let transaction = resolve::resolve(ctx, Request::Repair(&again), false).await?;
        install::run(ctx, Request::Repair(&again), transaction).await
    };
    // A package that stays broken may not affect this step. If it does, the installation fails and reports it.
    if let Err(error) = Box::pin(repaired).await {
        let broken = dpkg::state(ctx)?.broken().join("`, `");
        ctx.progress.warn(format!("apt: `{broken}` could not be repaired: {error}"));
    }
    Ok(())
}

/// The packages that must be unpacked again: by file if this step has the file, otherwise by name.
fn packages_to_unpack(dpkg: &Dpkg, files: &[PathBuf], debs: &[DebControl]) -> Vec<String> {
    let half = dpkg.half_unpacked().into_iter();
    half.map(|name| match files.iter().zip(debs).find(|(_, deb)| deb.package == name) {
        Some((file, _)) => file.display().to_string(),
        None => name.to_owned(),
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_unpacked_packages_are_installed_by_file_or_by_name() {
        let half = |name: &str| format!("Package: {name}\nStatus: install reinstreq half-installed\nVersion: 1\n\n");
        let dpkg = Dpkg::parse(format!("{}{}", half("driver"), half("less")).as_bytes());
        let deb =
            |package: &str| DebControl { package: package.into(), version: "1".into(), architecture: "all".into() };
        let files = ["/files/other.deb".into(), "/files/driver.deb".into()];
        assert_eq!(packages_to_unpack(&dpkg, &files, &[deb("other"), deb("driver")]), ["/files/driver.deb", "less"]);
    }
}
