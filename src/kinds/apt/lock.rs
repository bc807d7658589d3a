//! Resolves the packages of a profile to package files with digests, from the state that the runtime shipped. Uses its
//! own lists and sources: the node's are read, but never changed.

use std::{collections::BTreeSet, fmt::Write as _, path::Path};

use super::{
    command::{self, Request},
    error::{AptError, title},
    lists::{PackageLists, copy_files},
    update,
    uris::{self, Archive},
};
use crate::{
    fs::{self, Attributes},
    kinds::apt::AptInstall,
    lock::{LockedDeb, bare},
    problem::Problem,
    state,
    steps::Context,
};

/// Every package file that installing `wanted` adds to a node with only the runtime's packages. Packages in `keep`
/// keep their version as long as the archive offers it.
pub async fn lock(ctx: &Context, wanted: &AptInstall, keep: &[LockedDeb]) -> Result<Vec<LockedDeb>, Problem> {
    if wanted.packages.is_empty() && wanted.debs.is_empty() {
        return Ok(Vec::new());
    }
    let folder = ctx.cache.join("apt-lock");
    let mut lists = PackageLists::separate(folder.clone(), wanted.added.as_ref());
    lists.set_up(ctx, wanted.added.as_ref())?;
    lists.set("Dir::State::status", &status_of_runtime(ctx));
    lists.set("Dir::Etc::preferencesparts", &pin(ctx, &folder, keep)?);
    update::run(ctx, &lists, command::update(&folder)).await?.warn(ctx);
    let request = Request::Packages(wanted);
    ctx.progress.now("asking apt", None);
    let printed = ctx.runner.run(&lists.isolated(command::print_uris(&folder, request))).await;
    let printed = printed.map_err(|error| AptError::from(error).error)?;
    if printed.code != 0 {
        return Err(AptError::of(&title(request), &printed).explained(ctx, &lists).await);
    }
    // The profile's own debs are assets of the lock.
    let is_own = |archive: &Archive| archive.local.as_ref().is_some_and(|path| wanted.debs.contains(path));
    let others = uris::parse(&printed.stdout).into_iter().filter(|archive| !is_own(archive));
    let mut debs = others.map(locked).collect::<Result<Vec<_>, _>>()?;
    debs.sort();
    Ok(debs)
}

fn locked(archive: Archive) -> Result<LockedDeb, Problem> {
    let file = archive.name.clone();
    let (Some([name, version, arch]), Some(source)) = (archive.parts(), archive.ours) else {
        let error = Problem::refused(format!("`{file}` cannot be locked: its index has no SHA-256 or no HTTP address"));
        return Err(
            error.hint("use a repository with SHA-256 in its index, or put the deb into the file store".to_owned())
        );
    };
    let (url, size, sha256) = (bare(&source.url), source.size, source.digest);
    Ok(LockedDeb { name, version, arch, file, url, size, sha256, only_for: BTreeSet::new() })
}

/// The status file of dpkg before the first run.
fn status_of_runtime(ctx: &Context) -> String {
    let shipped = state::shipped_dpkg(&ctx.root);
    let status = if shipped.is_file() { shipped } else { ctx.on_node("/var/lib/dpkg/status") };
    status.display().to_string()
}

/// Pins the locked versions, so that apt prefers them to newer ones. Returns the folder of the preferences.
fn pin(ctx: &Context, folder: &Path, keep: &[LockedDeb]) -> Result<String, Problem> {
    let preferences = folder.join("preferences");
    copy_files(&ctx.on_node("/etc/apt/preferences.d"), &preferences)?;
    let mut pins = String::new();
    for deb in keep {
        let _ = write!(pins, "Package: {}\nPin: version {}\nPin-Priority: 999\n\n", deb.name, deb.version);
    }
    // apt ignores preference files with any extension other than `pref`.
    fs::replace(&preferences.join("zz-nodeagent-lock"), pins.as_bytes(), Attributes::mode(0o644))?;
    Ok(format!("{}/", preferences.display()))
}
