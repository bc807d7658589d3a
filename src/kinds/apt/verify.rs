//! Verifies an installation by dpkg's status file, because apt's exit status is not reliable.

use std::path::PathBuf;

use super::{command, error::AptError};
use crate::{
    facts::dpkg::Dpkg,
    kinds::apt::{AptInstall, AptPackage},
    lock::LockedDeb,
    problem::Problem,
    steps::Context,
};

/// The control fields of a package file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct DebControl {
    pub(super) package: String,
    pub(super) version: String,
    pub(super) architecture: String,
}

/// Reads the control fields of each file. A file that is not a Debian package refuses the run.
pub(super) async fn control_fields(ctx: &Context, files: &[PathBuf]) -> Result<Vec<DebControl>, Problem> {
    let mut debs = Vec::with_capacity(files.len());
    for file in files {
        let cmd = command::control(file);
        let refused = || Problem::refused(format!("`{}` is not a Debian package", ctx.filestore.shown(file)));
        let done = ctx.runner.run(&cmd).await.map_err(|error| AptError::from(error).error)?;
        let done = done.ok(&cmd).map_err(|error| refused().because(&error))?;
        debs.push(deb(&done.stdout).ok_or_else(refused)?);
    }
    Ok(debs)
}

fn deb(control: &str) -> Option<DebControl> {
    let field = |name: &str| {
        control.lines().find_map(|line| Some(line.strip_prefix(name)?.strip_prefix(':')?.trim().to_owned()))
    };
    Some(DebControl { package: field("Package")?, version: field("Version")?, architecture: field("Architecture")? })
}

/// Compares the request with the installed packages.
pub(super) fn verify(dpkg: &Dpkg, wanted: &AptInstall, debs: &[DebControl]) -> Result<(), Problem> {
    let missing: Vec<String> = missing(dpkg, wanted, debs).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let mut error = Problem::new("apt reported success, but not all requested packages are installed");
    error.causes = missing;
    Err(error)
}

/// Whether a package is installed in its locked version.
pub(super) fn has_locked(dpkg: &Dpkg, LockedDeb { name, version, arch, .. }: &LockedDeb) -> bool {
    let qualified = if arch == "all" { name.clone() } else { format!("{name}:{arch}") };
    dpkg.installed_version(&qualified) == Some(version)
}

fn missing<'a>(dpkg: &'a Dpkg, wanted: &'a AptInstall, debs: &'a [DebControl]) -> impl Iterator<Item = String> + 'a {
    let packages = wanted.packages.iter().filter_map(|AptPackage { name, version }| {
        match (dpkg.installed_version(name), version) {
            (Some(installed), Some(version)) if installed != version => {
                Some(format!("`{name}` is installed as {installed}, not {version}"))
            }
            (Some(_), _) => None,
            (None, None) if dpkg.provides(name) => None,
            (None, _) => Some(format!("`{name}` is not installed")),
        }
    });
    let debs = debs.iter().filter_map(|DebControl { package, version, architecture }| {
        let name = if architecture == "all" { package.clone() } else { format!("{package}:{architecture}") };
        match dpkg.installed_version(&name) {
            Some(installed) if installed == version => None,
            Some(installed) => Some(format!("`{package}` is installed as {installed}, not {version}")),
            None => Some(format!("`{package}` is not installed")),
        }
    });
    let locked = wanted.locked.iter().flatten().filter(|deb| !has_locked(dpkg, deb)).map(|deb| {
        let LockedDeb { name, version, .. } = deb;
        match dpkg.installed_version(name) {
            Some(installed) => format!("`{name}` is installed as {installed}, but the lock has {version}"),
            None => format!("`{name}` of the lock is not installed"),
        }
    });
    packages.chain(debs).chain(locked)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(packages: &[(&str, Option<&str>)]) -> AptInstall {
        let package = |&(name, version): &(&str, Option<&str>)| AptPackage {
            name: name.into(),
            version: version.map(str::to_owned),
        };
        let packages = packages.iter().map(package).collect();
        AptInstall { packages, ..AptInstall::default() }
    }

    fn node() -> Dpkg {
        Dpkg::parse(
            b"Package: jq\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1.6\n\n\
             Package: mawk\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1\nProvides: awk\n",
        )
    }

    #[test]
    fn installed_packages_pins_and_virtual_packages_pass() {
        verify(&node(), &wanted(&[("jq", None), ("jq", Some("1.6")), ("awk", None)]), &[]).expect("all there");
    }

    #[test]
    fn each_missing_or_wrong_version_is_reported() {
        let driver = DebControl { package: "driver".into(), version: "2".into(), architecture: "amd64".into() };
        let error =
            verify(&node(), &wanted(&[("jq", Some("1.7")), ("less", None)]), &[driver]).expect_err("none there");
        assert_eq!(
            error.causes,
            ["`jq` is installed as 1.6, not 1.7", "`less` is not installed", "`driver` is not installed"]
        );
    }

    #[test]
    fn control_fields_of_a_file_are_read() {
        let expected = DebControl { package: "bc".into(), version: "1.07.1-3+b1".into(), architecture: "amd64".into() };
        assert_eq!(deb("Package: bc\nVersion: 1.07.1-3+b1\nArchitecture: amd64\n"), Some(expected));
        assert_eq!(deb("Package: bc\n"), None);
    }
}
