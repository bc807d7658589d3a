//! Ends what a killed run began, before anything new is begun.

use std::path::PathBuf;

use super::{command::Request, dpkg, install, resolve, verify::DebControl};
use crate::{facts::dpkg::Dpkg, problem::Problem, steps::Context};

/// Brings dpkg to a state it takes new work in: what was unpacked is set up, and dependencies that are missing because
/// their installation never came are installed. `files` are the local packages of this step; one of them may be what
/// was left half-installed. A node whose dpkg has nothing open needs nothing.
pub(super) async fn run(ctx: &Context, files: &[PathBuf], debs: &[DebControl]) -> Result<(), Problem> {
    if !dpkg::state(ctx)?.is_unfinished() {
        return Ok(());
    }
    dpkg::configure(ctx).await?;
    let state = dpkg::state(ctx)?;
    if state.broken().is_empty() {
        return Ok(());
    }
    let again = again(&state, files, debs);
    let repaired = async {
        let archives = resolve::resolve(ctx, Request::Repair(&again), false).await?;
        install::run(ctx, Request::Repair(&again), archives).await
    };
    // What stays broken may have nothing to do with this step; if it has, the installation will say so.
    if let Err(error) = Box::pin(repaired).await {
        let broken = dpkg::state(ctx)?.broken().join("`, `");
        ctx.progress.warn(format!("apt: `{broken}` could not be repaired: {error}"));
    }
    Ok(())
}

/// What must be unpacked again: by file where this step has one, else by name.
fn again(dpkg: &Dpkg, files: &[PathBuf], debs: &[DebControl]) -> Vec<String> {
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
    fn what_was_half_unpacked_comes_from_its_file_or_by_its_name() {
        let half = |name: &str| format!("Package: {name}\nStatus: install reinstreq half-installed\nVersion: 1\n\n");
        let dpkg = Dpkg::parse(format!("{}{}", half("driver"), half("less")).as_bytes());
        let deb =
            |package: &str| DebControl { package: package.into(), version: "1".into(), architecture: "all".into() };
        let files = ["/files/other.deb".into(), "/files/driver.deb".into()];
        assert_eq!(again(&dpkg, &files, &[deb("other"), deb("driver")]), ["/files/driver.deb", "less"]);
    }
}
