//! The installation of R packages in a library: prepared by a resolution, then performed and verified.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use super::{
    action::RInstall,
    build::BuildEnvironment,
    builds::Builds,
    hints,
    install::{FailedPackage, PackageInstaller},
    library::{self, Expected},
    lock,
    package_install::{PackageInstall, Packages},
    selection::decide,
    version::{Version, version},
};
use crate::{
    plan::{Environment, LayerPackage},
    problem::Problem,
    state::Receipt,
    steps::{
        Context,
        layer::{self, LayerError, Staged},
    },
};

/// The result of preparing a library.
#[derive(Debug)]
pub enum Prepared {
    /// A downloaded layer that is being unpacked in its staging folder.
    Layer(Staged),
    /// Packages to install.
    Packages(Packages),
}

impl Prepared {
    /// The folder of a layer that is being unpacked.
    pub(super) fn staging(&self) -> Option<PathBuf> {
        match self {
            Self::Layer(staged) => Some(staged.folder().to_owned()),
            Self::Packages(_) => None,
        }
    }

    /// The names of the packages that will be installed, in dependency order.
    pub fn package_names(&self) -> Vec<String> {
        match self {
            Self::Layer(staged) => staged.package_names(),
            Self::Packages(packages) => packages.work.iter().map(|work| work.name.clone()).collect(),
        }
    }
}

/// Uses a layer if one exists. Otherwise resolves versions and downloads archives. Does not change the library.
pub(super) async fn prepare(ctx: &Context, wanted: &RInstall) -> Result<Prepared, Problem> {
    if let Some(layer) = &wanted.layer
        && let Some(staged) = layer::stage(ctx, layer).await
    {
        return Ok(Prepared::Layer(staged));
    }
    Box::pin(prepare_packages(ctx, wanted)).await.map(Prepared::Packages)
}

pub(super) async fn prepare_packages(ctx: &Context, wanted: &RInstall) -> Result<Packages, Problem> {
    match &wanted.locked {
        Some(packages) => lock::prepare(ctx, wanted, packages).await,
        None => Ok(Packages::of(decide(ctx, wanted, &BTreeMap::new()).await?)),
    }
}

/// Installs the prepared packages and verifies the library.
pub(super) async fn act(ctx: &Context, wanted: &RInstall, prepared: Prepared) -> Result<(), Problem> {
    if matches!(&prepared, Prepared::Packages(packages) if packages.work.is_empty()) {
        return Ok(());
    }
    remember_shipped(ctx, wanted)?;
    library::ensure_writable(&wanted.library)?;
    let r = version(&wanted.r_version).unwrap_or_else(|| Version { components: Vec::new() });
    let packages = match prepared {
        Prepared::Packages(packages) => packages,
        Prepared::Layer(staged) => match restore(ctx, wanted, staged, &r).await {
            Ok(()) => return Ok(()),
            Err(error) => {
                Staged::warn_not_put(ctx, Environment::R, &error);
                Box::pin(prepare_packages(ctx, wanted)).await?
            }
        },
    };
    let environment = BuildEnvironment::new(ctx, wanted)?;
    let work = if wanted.locked.is_some() { remaining(packages.work, &wanted.library, &r) } else { packages.work };
    let builds = Builds::new(ctx, wanted, &environment, &work, &r).await;
    let site = PackageInstaller { ctx, environment: &environment, builds, library: wanted.library.clone(), r };
    let failed = site.install(&work).await;
    ctx.wait_for_disk(&wanted.library)?;
    if failed.is_empty() { Ok(()) } else { Err(combined_problem(failed)) }
}

/// Moves a layer into place and verifies it. On an error the packages must be installed instead.
async fn restore(ctx: &Context, wanted: &RInstall, staged: Staged, r: &Version) -> Result<(), LayerError> {
    staged.put(ctx).await?;
    let packages = wanted.layer.iter().flat_map(|layer| &layer.packages);
    let look = |(name, package): (&String, &LayerPackage)| {
        library::verify(&wanted.library, name, Expected { version: &package.version, commit: None }, r)
    };
    let faults: Vec<String> = packages.filter_map(|package| Some(look(package).err()?.to_string())).collect();
    if faults.is_empty() { Ok(()) } else { Err(LayerError::Incomplete(faults)) }
}

/// Removes packages that another step has installed in the meantime.
fn remaining(mut work: Vec<PackageInstall>, library: &Path, r: &Version) -> Vec<PackageInstall> {
    work.retain(|one| library::verify(library, &one.name, one.expected(), r).is_err());
    let names: BTreeSet<String> = work.iter().map(|one| one.name.clone()).collect();
    for one in &mut work {
        one.needs.retain(|name| names.contains(name));
    }
    work
}

/// Records the shipped packages in the receipt, before the first change makes them indistinguishable.
fn remember_shipped(ctx: &Context, wanted: &RInstall) -> Result<(), Problem> {
    let library = wanted.library.display().to_string();
    let here = wanted.installed.iter().filter(|(_, found)| found.library == wanted.library);
    let shipped = here.map(|(name, found)| (name.clone(), found.version.clone())).collect();
    Ok(Receipt::update(&ctx.root, |receipt| {
        receipt.r.entry(library).or_insert(shipped);
    })?)
}

/// Combines all failures into one problem.
fn combined_problem(failed: Vec<FailedPackage>) -> Problem {
    let verb = if failed.iter().any(|failure| failure.built) { "built" } else { "unpacked" };
    let names: Vec<String> = failed.iter().map(|failure| format!("`{}`", failure.package)).collect();
    let mut error = match &names[..] {
        [one] => Problem::new(format!("R package {one} could not be {verb}")),
        many => Problem::new(format!("R packages {} could not be {verb}", many.join(", "))),
    };
    let several = failed.len() > 1;
    for failure in &failed {
        let prefix = if several { format!("{}: ", failure.package) } else { String::new() };
        error.causes.extend(failure.lines.iter().map(|line| format!("{prefix}{line}")));
        if !failure.blocked.is_empty() {
            error = error.cause(format!("{prefix}not installed because of it: {}", failure.blocked.join(", ")));
        }
        if let Some(log) = &failure.log {
            error = error.cause(format!("{prefix}the full output is in `{}`", log.display()));
        }
    }
    error.hint(hints::combined(failed.into_iter().filter_map(|failure| failure.remedy)))
}
