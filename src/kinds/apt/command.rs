//! Builds the commands of apt and dpkg as values.

use std::path::{Path, PathBuf};

use crate::{
    exec::Cmd,
    kinds::apt::{AptInstall, DebconfAnswer},
    problem::Problem,
};

/// The full log of apt and dpkg, in the log folder of the run.
pub(super) const LOG: &str = "apt.log";

/// A request to apt.
#[derive(Debug, Clone, Copy)]
pub(super) enum Request<'a> {
    /// The packages of the step, resolved by apt.
    Packages(&'a AptInstall),
    /// The packages of the step, installed only from the files of a lock.
    Locked(&'a AptInstall, &'a [PathBuf]),
    /// Repairs the dependencies of the node's packages after a killed run. The listed packages, by name or file, are
    /// unpacked again.
    Repair(&'a [String]),
}

/// Keeps existing configuration files, and skips fsync for each file (see the module documentation of this folder).
const DPKG_OPTIONS: [&str; 3] = ["--force-confdef", "--force-confold", "--force-unsafe-io"];

/// `apt-get` with the options that all commands share. `folder` is used as apt's cache, because `prepare` must not
/// change the node's own cache.
pub(super) fn apt_get(folder: &Path) -> Cmd {
    let cache = format!("Dir::Cache={}/", folder.display());
    let mut cmd = silent("apt-get").arg("-q").arg("-y");
    for option in [
        cache.as_str(),
        "Dir::Cache::archives=archives/",
        "Dir::Cache::pkgcache=pkgcache.bin",
        // A step runs only a few commands, so one cache file is enough.
        "Dir::Cache::srcpkgcache=",
        "Acquire::Retries=3",
        // Package descriptions are not used, and make up a third of the size of an update.
        "Acquire::Languages=none",
        // Downloading a whole index is faster than applying a chain of diffs.
        "Acquire::PDiffs=false",
        "Acquire::ForceHash=SHA256",
        // `python3.12` must be read as a name, not as a regular expression.
        "APT::Cmd::Pattern-Only=true",
        "APT::Color=0",
        "Dpkg::Use-Pty=0",
        "DPkg::Lock::Timeout=60",
    ] {
        cmd = cmd.args(["-o", option]);
    }
    DPKG_OPTIONS.iter().fold(cmd, |cmd, option| cmd.arg("-o").arg(format!("Dpkg::Options::={option}")))
}

/// Prints the files of the transaction. Takes no lock and changes nothing. The archive folder is empty, because apt
/// neither lists nor checks archives that are already there.
pub(super) fn print_uris(folder: &Path, request: Request<'_>) -> Cmd {
    let cmd = apt_get(folder).args(["-o", "Dir::Cache::archives=none/", "--print-uris"]);
    asking_for(cmd, request)
}

/// Installs the transaction.
pub(super) fn install(folder: &Path, request: Request<'_>) -> Cmd {
    asking_for(apt_get(folder), request)
}

fn asking_for(cmd: Cmd, request: Request<'_>) -> Cmd {
    let cmd = cmd.arg("--no-remove");
    let cmd = match request {
        // The last of two contradicting options wins.
        Request::Packages(wanted) | Request::Locked(wanted, _) if wanted.wait_for_disk => {
            cmd.args(["-o", "Dpkg::Options::=--no-force-unsafe-io"])
        }
        _ => cmd,
    };
    let wanted = match request {
        Request::Packages(wanted) => wanted,
        Request::Locked(wanted, files) => {
            // Without lists and sources, apt can only use the given files.
            let cmd =
                ["Dir::State::lists=/dev/null/", "Dir::Etc::sourcelist=/dev/null", "Dir::Etc::sourceparts=/dev/null"]
                    .into_iter()
                    .fold(cmd, |cmd, option| cmd.args(["-o", option]));
            let cmd = cmd.args(["--no-install-recommends", "--allow-downgrades", "install", "--"]);
            let own = wanted.debs.iter().chain(files).map(|file| file.display().to_string());
            return cmd.args(own);
        }
        Request::Repair([]) => return cmd.args(["--fix-broken", "install"]),
        Request::Repair(again) => {
            // apt treats a half-installed version as installed.
            let cmd = cmd.args(["--fix-broken", "--reinstall", "--allow-downgrades", "install", "--"]);
            return cmd.args(again);
        }
    };
    let mut cmd =
        cmd.arg(if wanted.recommends { "--install-recommends" } else { "--no-install-recommends" }).arg("install");
    if !wanted.debs.is_empty() || wanted.packages.iter().any(|package| package.version.is_some()) {
        // A pinned version is installed even if a newer one is present.
        cmd = cmd.arg("--allow-downgrades");
    }
    cmd.arg("--").args(names(wanted))
}

/// The arguments for apt: names, pins and local files.
pub(super) fn names(wanted: &AptInstall) -> impl Iterator<Item = String> + '_ {
    let packages = wanted.packages.iter().map(|package| match &package.version {
        Some(version) => format!("{}={version}", package.name),
        None => package.name.clone(),
    });
    packages.chain(wanted.debs.iter().map(|deb| deb.display().to_string()))
}

/// Removes packages. Their configuration files stay. With `simulate`, only prints what would be removed.
pub(super) fn remove(folder: &Path, names: &[String], simulate: bool) -> Cmd {
    let cmd = apt_get(folder);
    let cmd = if simulate { cmd.arg("--simulate") } else { cmd };
    cmd.args(["remove", "--"]).args(names)
}

/// Marks packages as automatically installed.
pub(super) fn mark_auto<'a>(names: impl Iterator<Item = &'a str>) -> Cmd {
    silent("apt-mark").args(["auto", "--"]).args(names)
}

/// Updates all package lists.
pub(super) fn update(folder: &Path) -> Cmd {
    apt_get(folder).arg("update")
}

/// Updates the lists of the sources in one folder. Other lists are not touched.
pub(super) fn update_only(folder: &Path, sources: &Path) -> Cmd {
    apt_get(folder)
        .args(["-o", "Dir::Etc::sourcelist=/dev/null", "-o"])
        .arg(format!("Dir::Etc::sourceparts={}/", sources.display()))
        .args(["-o", "APT::Get::List-Cleanup=0", "update"])
}

/// Configures packages that a killed dpkg left unconfigured.
pub(super) fn configure_all() -> Cmd {
    silent("dpkg").args(DPKG_OPTIONS).args(["--configure", "-a"])
}

/// Prints apt's settings for downloads.
pub(super) fn settings() -> Cmd {
    Cmd::new("apt-config").args(["dump", "Acquire"])
}

/// Queries apt's package cache.
pub(super) fn lookup(folder: &Path, question: &[&str]) -> Cmd {
    Cmd::new("apt-cache")
        .arg("-o")
        .arg(format!("Dir::Cache={}/", folder.display()))
        .args(["-o", "Dir::Cache::pkgcache=pkgcache.bin", "-o", "Dir::Cache::srcpkgcache="])
        .args(["-o", "Acquire::Languages=none"])
        .args(question.iter().copied())
}

/// Passes answers to debconf on standard input.
pub(super) fn set_selections(answers: &[DebconfAnswer]) -> Result<Cmd, Problem> {
    let mut lines = String::new();
    for DebconfAnswer { package, question, kind, value } in answers {
        let word = |text: &str| !text.is_empty() && !text.contains(|c: char| c.is_whitespace() || c.is_control());
        if ![package, question, kind].iter().all(|text| word(text)) || value.contains(char::is_control) {
            return Err(Problem::refused(format!("the debconf answer to `{question}` must be one line of plain text")));
        }
        lines.push_str(&[package, question, kind, value].map(String::as_str).join(" "));
        lines.push('\n');
    }
    Ok(silent("debconf-set-selections").stdin(lines))
}

/// A command that never asks questions.
fn silent(program: &str) -> Cmd {
    Cmd::new(program)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .env("DEBIAN_PRIORITY", "critical")
        .env("DEBCONF_NONINTERACTIVE_SEEN", "true")
        .env("APT_LISTCHANGES_FRONTEND", "none")
        .env("NEEDRESTART_SUSPEND", "1")
        .env("UCF_FORCE_CONFFOLD", "1")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::apt::AptPackage;

    fn wanted() -> AptInstall {
        AptInstall {
            packages: vec![
                AptPackage { name: "jq".into(), version: Some("1.6-2.1".into()) },
                AptPackage { name: "libsodium-dev".into(), version: None },
            ],
            debs: vec!["/files/my driver.deb".into()],
            ..AptInstall::default()
        }
    }

    #[test]
    fn names_pins_and_files_are_one_transaction_after_the_option_terminator() {
        let cmd = install(Path::new("/cache/apt"), Request::Packages(&wanted()));
        let end = cmd.args.iter().position(|arg| arg == "--").expect("the end of options");
        assert_eq!(cmd.args[end + 1..], ["jq=1.6-2.1", "libsodium-dev", "/files/my driver.deb"]);
        for option in ["--no-install-recommends", "--allow-downgrades", "--no-remove"] {
            assert!(cmd.args[..end].iter().any(|arg| arg == option), "{option}");
        }
        assert_eq!(cmd.env["DEBIAN_FRONTEND"], "noninteractive");
    }

    #[test]
    fn dpkg_waits_for_the_disk_only_if_requested() {
        let waits = |wanted: &AptInstall| {
            let args = install(Path::new("/cache/apt"), Request::Packages(wanted)).args;
            let at = |word: &str| args.iter().position(|arg| arg.ends_with(word));
            at("--no-force-unsafe-io").is_some_and(|no| at("--force-unsafe-io").is_some_and(|yes| yes < no))
        };
        assert!(!waits(&wanted()));
        assert!(waits(&AptInstall { wait_for_disk: true, ..wanted() }));
    }

    #[test]
    fn packages_are_not_downgraded_without_a_pin() {
        let mut wanted = wanted();
        wanted.debs.clear();
        wanted.packages[0].version = None;
        wanted.recommends = true;
        let cmd = install(Path::new("/cache/apt"), Request::Packages(&wanted));
        assert!(!cmd.args.contains(&"--allow-downgrades".to_owned()));
        assert!(cmd.args.contains(&"--install-recommends".to_owned()));
    }

    #[test]
    fn debconf_answers_are_passed_on_standard_input() {
        let answer = |value: &str| DebconfAnswer {
            package: "msodbcsql18".into(),
            question: "msodbcsql18/accept-eula".into(),
            kind: "boolean".into(),
            value: value.into(),
        };
        let cmd = set_selections(&[answer("true"), answer("")]).expect("plain answers");
        let lines = "msodbcsql18 msodbcsql18/accept-eula boolean true\nmsodbcsql18 msodbcsql18/accept-eula boolean \n";
        assert_eq!(cmd.stdin.as_ref().map(crate::exec::Input::bytes), Some(lines.as_bytes()));
        assert!(set_selections(&[answer("true\nother other/x string y")]).expect_err("two lines").refused);
    }
}
