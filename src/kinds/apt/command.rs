//! The commands of this step, as values.

use std::path::{Path, PathBuf};

use crate::{
    exec::Cmd,
    plan::{AptInstall, DebconfAnswer},
    problem::Problem,
};

/// What apt is asked for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Request<'a> {
    /// The packages of the step.
    Packages(&'a AptInstall),
    /// The packages of the step, by the files of a lock and nothing else.
    Locked(&'a AptInstall, &'a [PathBuf]),
    /// What the node's own packages lack after a run that was killed; these, by name or file, are to be unpacked again.
    Repair(&'a [String]),
}

/// Answers to dpkg's questions about configuration files, and no fsync of each file (see the head of this folder).
const DPKG_OPTIONS: [&str; 3] = ["--force-confdef", "--force-confold", "--force-unsafe-io"];

/// `apt-get` with what holds for all its uses. `folder` is its cache: its own is left alone, so that `prepare` changes
/// nothing on the node.
pub(super) fn apt_get(folder: &Path) -> Cmd {
    let cache = format!("Dir::Cache={}/", folder.display());
    let mut cmd = silent("apt-get").arg("-q").arg("-y");
    for option in [
        cache.as_str(),
        "Dir::Cache::archives=archives/",
        "Dir::Cache::pkgcache=pkgcache.bin",
        // One cache is enough for a step's few commands.
        "Dir::Cache::srcpkgcache=",
        "Acquire::Retries=3",
        // Nobody reads package descriptions on a node, and they are a third of what an update fetches.
        "Acquire::Languages=none",
        // Whole indexes are faster than chains of differences.
        "Acquire::PDiffs=false",
        "Acquire::ForceHash=SHA256",
        // `python3.12` is a name, never a pattern that matches something else.
        "APT::Cmd::Pattern-Only=true",
        "APT::Color=0",
        "Dpkg::Use-Pty=0",
        "DPkg::Lock::Timeout=60",
    ] {
        cmd = cmd.args(["-o", option]);
    }
    DPKG_OPTIONS.iter().fold(cmd, |cmd, option| cmd.arg("-o").arg(format!("Dpkg::Options::={option}")))
}

/// The transaction's files, without locks and without touching anything. The archive folder is an empty one: apt does
/// not list what it has, and would not check it either.
pub(super) fn print_uris(folder: &Path, request: Request<'_>) -> Cmd {
    let cmd = apt_get(folder).args(["-o", "Dir::Cache::archives=none/", "--print-uris"]);
    asking_for(cmd, request)
}

/// The transaction itself.
pub(super) fn install(folder: &Path, request: Request<'_>) -> Cmd {
    asking_for(apt_get(folder), request)
}

fn asking_for(cmd: Cmd, request: Request<'_>) -> Cmd {
    let cmd = cmd.arg("--no-remove");
    let cmd = match request {
        // The later word counts.
        Request::Packages(wanted) | Request::Locked(wanted, _) if wanted.wait_for_disk => {
            cmd.args(["-o", "Dpkg::Options::=--no-force-unsafe-io"])
        }
        _ => cmd,
    };
    let wanted = match request {
        Request::Packages(wanted) => wanted,
        Request::Locked(wanted, files) => {
            // Neither lists nor sources: what apt is given is all that there is.
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
            // apt takes a half-installed version for an installed one.
            let cmd = cmd.args(["--fix-broken", "--reinstall", "--allow-downgrades", "install", "--"]);
            return cmd.args(again);
        }
    };
    let mut cmd =
        cmd.arg(if wanted.recommends { "--install-recommends" } else { "--no-install-recommends" }).arg("install");
    if !wanted.debs.is_empty() || wanted.packages.iter().any(|package| package.version.is_some()) {
        // An exact version is asked for, whatever is installed.
        cmd = cmd.arg("--allow-downgrades");
    }
    cmd.arg("--").args(names(wanted))
}

/// What stands on the command line: names, pins, and files.
pub(super) fn names(wanted: &AptInstall) -> impl Iterator<Item = String> + '_ {
    let packages = wanted.packages.iter().map(|package| match &package.version {
        Some(version) => format!("{}={version}", package.name),
        None => package.name.clone(),
    });
    packages.chain(wanted.debs.iter().map(|deb| deb.display().to_string()))
}

/// Says that packages came along with others: they are nobody's own wish.
pub(super) fn mark_auto<'a>(names: impl Iterator<Item = &'a str>) -> Cmd {
    silent("apt-mark").args(["auto", "--"]).args(names)
}

/// Fetches the package lists.
pub(super) fn update(folder: &Path) -> Cmd {
    apt_get(folder).arg("update")
}

/// Fetches the lists of the sources in one folder, and leaves all others alone.
pub(super) fn update_only(folder: &Path, sources: &Path) -> Cmd {
    apt_get(folder)
        .args(["-o", "Dir::Etc::sourcelist=/dev/null", "-o"])
        .arg(format!("Dir::Etc::sourceparts={}/", sources.display()))
        .args(["-o", "APT::Get::List-Cleanup=0", "update"])
}

/// Ends the work of a dpkg that was killed.
pub(super) fn configure_all() -> Cmd {
    silent("dpkg").args(DPKG_OPTIONS).args(["--configure", "-a"])
}

/// Says which package a file holds.
pub(super) fn control(deb: &Path) -> Cmd {
    Cmd::new("dpkg-deb").arg("-f").arg(deb.display().to_string()).args(["Package", "Version", "Architecture"])
}

/// Says what apt is told about fetching.
pub(super) fn settings() -> Cmd {
    Cmd::new("apt-config").args(["dump", "Acquire"])
}

/// A question to apt's knowledge of packages.
pub(super) fn lookup(folder: &Path, question: &[&str]) -> Cmd {
    Cmd::new("apt-cache")
        .arg("-o")
        .arg(format!("Dir::Cache={}/", folder.display()))
        .args(["-o", "Dir::Cache::pkgcache=pkgcache.bin", "-o", "Dir::Cache::srcpkgcache="])
        .args(["-o", "Acquire::Languages=none"])
        .args(question.iter().copied())
}

/// Gives answers to debconf on standard input.
pub(super) fn set_selections(answers: &[DebconfAnswer]) -> Result<Cmd, Problem> {
    let mut lines = String::new();
    for DebconfAnswer { package, question, kind, value } in answers {
        let word = |text: &str| !text.is_empty() && !text.contains(|c: char| c.is_whitespace() || c.is_control());
        if ![package, question, kind].iter().all(|text| word(text)) || value.contains(char::is_control) {
            return Err(Problem::refused(format!("the debconf answer to `{question}` is not one line of plain text")));
        }
        lines.push_str(&[package, question, kind, value].map(String::as_str).join(" "));
        lines.push('\n');
    }
    Ok(silent("debconf-set-selections").stdin(lines))
}

/// A program that asks nobody anything.
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
    use crate::plan::AptPackage;

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
    fn names_pins_and_files_go_in_one_transaction_after_the_end_of_options() {
        let cmd = install(Path::new("/cache/apt"), Request::Packages(&wanted()));
        let end = cmd.args.iter().position(|arg| arg == "--").expect("the end of options");
        assert_eq!(cmd.args[end + 1..], ["jq=1.6-2.1", "libsodium-dev", "/files/my driver.deb"]);
        for option in ["--no-install-recommends", "--allow-downgrades", "--no-remove"] {
            assert!(cmd.args[..end].iter().any(|arg| arg == option), "{option}");
        }
        assert_eq!(cmd.env["DEBIAN_FRONTEND"], "noninteractive");
    }

    #[test]
    fn dpkg_waits_for_the_disk_only_where_that_is_asked_for() {
        let waits = |wanted: &AptInstall| {
            let args = install(Path::new("/cache/apt"), Request::Packages(wanted)).args;
            let at = |word: &str| args.iter().position(|arg| arg.ends_with(word));
            at("--no-force-unsafe-io").is_some_and(|no| at("--force-unsafe-io").is_some_and(|yes| yes < no))
        };
        assert!(!waits(&wanted()));
        assert!(waits(&AptInstall { wait_for_disk: true, ..wanted() }));
    }

    #[test]
    fn nothing_is_downgraded_without_a_pin() {
        let mut wanted = wanted();
        wanted.debs.clear();
        wanted.packages[0].version = None;
        wanted.recommends = true;
        let cmd = install(Path::new("/cache/apt"), Request::Packages(&wanted));
        assert!(!cmd.args.contains(&"--allow-downgrades".to_owned()));
        assert!(cmd.args.contains(&"--install-recommends".to_owned()));
    }

    #[test]
    fn answers_go_to_debconf_by_standard_input() {
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
