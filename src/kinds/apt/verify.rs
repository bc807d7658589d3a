//! Verifies an installation by dpkg's status file, because apt's exit status is not reliable.

use super::deb_control::DebControl;
use crate::{
    facts::dpkg::Dpkg,
    kinds::apt::{AptInstall, AptPackage},
    lock::LockedDeb,
    problem::Problem,
};

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
    let debs = debs.iter().filter_map(|deb| {
        let DebControl { package, version, .. } = deb;
        match dpkg.installed_version(&deb.qualified_name()) {
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
}
