//! Diagnoses the output of apt and dpkg, and gives a hint for each diagnosis. Unknown output gets no diagnosis and no
//! hint.

use crate::{fs::DISK_FULL, http::WEB_PAGE_HINT};

/// The diagnosis of a failed command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Diagnosis {
    /// No source offers the package.
    UnknownPackage(String),
    /// No source offers the requested version of a package.
    UnknownVersion { version: String, package: String },
    /// The name is a virtual package without an installation candidate.
    NoCandidate(String),
    /// Dependencies cannot be satisfied.
    Unmet,
    /// The transaction would remove these packages.
    Removal(Vec<String>),
    /// A package is held at its version.
    Held,
    /// The disk is full.
    DiskFull,
    /// The file system is read-only.
    ReadOnly,
    /// Another process holds a lock of dpkg or apt.
    Locked,
    /// dpkg was killed before it finished.
    Interrupted,
    /// Installed packages lack dependencies.
    BrokenBefore,
    /// A half-installed package that no source offers.
    NoArchive(String),
    /// The agent is not root.
    NotRoot,
    /// The signing key of a source is not installed.
    NoKey(String),
    /// A source is not signed, or its signature is invalid.
    NotSigned,
    /// The node's clock is wrong, or the source has expired.
    Clock,
    /// A source answered with a web page.
    WebPage,
    /// A source lacks a file that its index or the profile names.
    Gone,
    /// A source requires a login.
    Forbidden,
    /// A downloaded file does not match the index.
    HashMismatch,
    /// The name of a server could not be resolved.
    Unresolved,
    /// A server could not be reached.
    Unreachable,
    /// The certificate of a server is not trusted.
    Certificate,
    /// A maintainer script of a package failed.
    Script { package: String },
}

/// The diagnosis of a command's output, by its most specific message.
pub(super) fn diagnose(output: &str) -> Option<Diagnosis> {
    fixed(output, FIRST).or_else(|| named(output)).or_else(|| fixed(output, LATER))
}

/// Messages that take precedence over all others, most specific first.
const FIRST: &[(&str, Diagnosis)] = &[
    ("No space left on device", Diagnosis::DiskFull),
    ("You don't have enough free space", Diagnosis::DiskFull),
    ("Read-only file system", Diagnosis::ReadOnly),
    ("(13: Permission denied)", Diagnosis::NotRoot),
    ("requested operation requires superuser privilege", Diagnosis::NotRoot),
    ("Could not get lock", Diagnosis::Locked),
    ("is another process using it?", Diagnosis::Locked),
    ("Unable to lock directory", Diagnosis::Locked),
    ("was locked by another process", Diagnosis::Locked),
    ("is locked by another process", Diagnosis::Locked),
    ("dpkg was interrupted", Diagnosis::Interrupted),
    ("Try 'apt --fix-broken install'", Diagnosis::BrokenBefore),
    ("You might want to run 'apt --fix-broken install'", Diagnosis::BrokenBefore),
];

/// Messages that are less specific than the others.
const LATER: &[(&str, Diagnosis)] = &[
    ("held packages were changed", Diagnosis::Held),
    ("unmet dependencies", Diagnosis::Unmet),
    ("held broken packages", Diagnosis::Unmet),
    ("is not valid yet", Diagnosis::Clock),
    ("is expired", Diagnosis::Clock),
    ("chain uses expired certificate", Diagnosis::Clock),
    ("chain uses not yet valid certificate", Diagnosis::Clock),
    ("(does the network require authentication?)", Diagnosis::WebPage),
    ("Certificate verification failed", Diagnosis::Certificate),
    ("Hash Sum mismatch", Diagnosis::HashMismatch),
    ("File has unexpected size", Diagnosis::HashMismatch),
    ("Temporary failure resolving", Diagnosis::Unresolved),
    ("Could not resolve", Diagnosis::Unresolved),
    ("Could not connect", Diagnosis::Unreachable),
    ("Connection failed", Diagnosis::Unreachable),
    ("Connection timed out", Diagnosis::Unreachable),
    ("Connection refused", Diagnosis::Unreachable),
    ("Unable to connect", Diagnosis::Unreachable),
    ("404  Not Found", Diagnosis::Gone),
    ("401  Unauthorized", Diagnosis::Forbidden),
    ("403  Forbidden", Diagnosis::Forbidden),
    ("does not have a Release file", Diagnosis::Gone),
    ("is not signed", Diagnosis::NotSigned),
    ("At least one invalid signature", Diagnosis::NotSigned),
];

fn fixed(output: &str, table: &[(&str, Diagnosis)]) -> Option<Diagnosis> {
    table.iter().find(|(words, _)| output.contains(words)).map(|(_, diagnosis)| diagnosis.clone())
}

fn named(output: &str) -> Option<Diagnosis> {
    output.lines().find_map(|line| {
        let quoted = |prefix: &str, suffix: &str| Some(line.strip_prefix(prefix)?.strip_suffix(suffix)?.to_owned());
        if let Some(package) = line.strip_prefix("E: Unable to locate package ") {
            Some(Diagnosis::UnknownPackage(package.trim_end().to_owned()))
        } else if let Some(both) = quoted("E: Version '", "' was not found") {
            let (version, package) = both.split_once("' for '")?;
            Some(Diagnosis::UnknownVersion { version: version.to_owned(), package: package.to_owned() })
        } else if let Some(package) = quoted("E: Package '", "' has no installation candidate") {
            Some(Diagnosis::NoCandidate(package))
        } else if let Some(package) =
            quoted("E: The package ", " needs to be reinstalled, but I can't find an archive for it.")
        {
            Some(Diagnosis::NoArchive(package))
        } else if line.starts_with("E: Packages need to be removed but remove is disabled") {
            Some(Diagnosis::Removal(removals(output)))
        } else if let Some(package) = line.strip_prefix("dpkg: error processing package ") {
            let package = package.split_ascii_whitespace().next()?;
            output.contains("script subprocess").then(|| Diagnosis::Script { package: package.to_owned() })
        } else {
            let key = line.split_once("NO_PUBKEY ")?.1.split_ascii_whitespace().next()?;
            Some(Diagnosis::NoKey(key.to_owned()))
        }
    })
}

/// The packages listed below apt's heading.
fn removals(output: &str) -> Vec<String> {
    let after = output.lines().skip_while(|line| !line.starts_with("The following packages will be REMOVED")).skip(1);
    let names = after.take_while(|line| line.starts_with(' ')).flat_map(str::split_ascii_whitespace);
    names.map(|name| name.trim_end_matches('*').to_owned()).collect()
}

impl Diagnosis {
    /// Whether the same command may succeed later without any change.
    pub(super) fn is_transient(&self) -> bool {
        matches!(self, Self::Unresolved | Self::Unreachable)
    }

    /// Whether updated package lists may resolve the problem.
    pub(super) fn update_may_help(&self) -> bool {
        matches!(
            self,
            Self::UnknownPackage(_)
                | Self::UnknownVersion { .. }
                | Self::NoCandidate(_)
                | Self::Unmet
                | Self::BrokenBefore
                | Self::NoArchive(_)
                | Self::Removal(_)
                | Self::Gone
                | Self::HashMismatch
        )
    }

    /// Whether the request contradicts the package lists or the installed packages.
    pub(super) fn is_final(&self) -> bool {
        matches!(
            self,
            Self::UnknownPackage(_)
                | Self::UnknownVersion { .. }
                | Self::NoCandidate(_)
                | Self::Unmet
                | Self::Removal(_)
                | Self::Held
        )
    }

    /// The hint for the user. `known` lists existing names or versions, if they were looked up.
    pub(super) fn hint(&self, known: &[String]) -> String {
        match self {
            Self::UnknownPackage(package) => unknown_package(package, known),
            Self::UnknownVersion { version, package } => unknown_version(package, version, known),
            Self::NoCandidate(package) => no_candidate(package, known),
            Self::Removal(removed) => removal(removed),
            Self::NoArchive(package) => format!(
                "`{package}` was left half-installed and no source offers it; give its file under `debs`, or remove it \
                 (`dpkg --remove --force-remove-reinstreq {package}`)"
            ),
            Self::NoKey(key) => format!(
                "the key {key} that signs the source is not installed; give its file and fingerprint under `[[apt.sources]]`"
            ),
            Self::Script { package } => {
                format!("a maintainer script of `{package}` failed; its output is in the full log, `apt.log`")
            }
            Self::Unmet => UNMET.to_owned(),
            Self::Held => HELD.to_owned(),
            Self::DiskFull => DISK_FULL.to_owned(),
            Self::ReadOnly => READ_ONLY.to_owned(),
            Self::Locked => LOCKED.to_owned(),
            Self::Interrupted => INTERRUPTED.to_owned(),
            Self::BrokenBefore => BROKEN_BEFORE.to_owned(),
            Self::NotRoot => "run nodeagent as root".to_owned(),
            Self::NotSigned => NOT_SIGNED.to_owned(),
            Self::Clock => CLOCK.to_owned(),
            Self::WebPage => WEB_PAGE_HINT.to_owned(),
            Self::Gone => GONE.to_owned(),
            Self::Forbidden => FORBIDDEN.to_owned(),
            Self::HashMismatch => HASH_MISMATCH.to_owned(),
            Self::Unresolved => "the node cannot resolve the source's name; check DNS".to_owned(),
            Self::Unreachable => "check that the node reaches the source (address, proxy, firewall)".to_owned(),
            Self::Certificate => CERTIFICATE.to_owned(),
        }
    }
}

const UNMET: &str = "the requested packages conflict with each other or with installed packages; check pins, held packages \
                     and local debs";
const HELD: &str = "a package is held at its version; `apt-mark unhold NAME` in the node's image releases it";
const READ_ONLY: &str = "the file system is mounted read-only; packages cannot be installed on this node";
const LOCKED: &str = "another process uses dpkg or apt; run nodeagent again when it has finished";
const INTERRUPTED: &str = "an earlier dpkg was killed before it finished; run `dpkg --configure -a`";
const BROKEN_BEFORE: &str = "packages of this node lack dependencies; `apt-get --fix-broken install` shows which";
const NOT_SIGNED: &str = "the source is not signed with a key that this node trusts; check its address and key";
const CLOCK: &str = "the source is older or newer than the node's clock allows; check the clock (`date -u`)";
const GONE: &str = "the source lacks a file that its index or the profile names; its mirror may be incomplete, or its address \
                    or suite may be wrong";
const FORBIDDEN: &str = "the source requires a login (`[[logins]]` in the profile), or a proxy refuses the address";
const HASH_MISMATCH: &str = "the source sends a file that does not match its index; a proxy may have cached old files, or the \
                             mirror is being updated";
const CERTIFICATE: &str =
    "the source's certificate is not trusted on this node; add the authority to the node's CA certificates";

fn unknown_package(package: &str, known: &[String]) -> String {
    if known.is_empty() {
        return format!(
            "no apt source of this node offers `{package}`; check the name, or add its source under `[[apt.sources]]`"
        );
    }
    format!("no apt source of this node offers `{package}`; did you mean {}", quoted(known))
}

fn unknown_version(package: &str, version: &str, known: &[String]) -> String {
    if known.is_empty() {
        return format!("no apt source of this node offers version {version} of `{package}`");
    }
    format!("the apt sources offer `{package}` in version {}; change the pin", quoted(known))
}

fn no_candidate(package: &str, known: &[String]) -> String {
    if known.is_empty() {
        return format!("`{package}` is a virtual package; name a package that provides it");
    }
    format!("`{package}` is a virtual package, provided by {}; name one of them", quoted(known))
}

fn removal(removed: &[String]) -> String {
    if removed.is_empty() {
        return "this installation would remove packages of the node, which nodeagent never does".to_owned();
    }
    format!(
        "this installation would remove {}, which nodeagent never does; drop the package that conflicts",
        quoted(removed)
    )
}

/// Names in backticks, separated by commas.
fn quoted(names: &[String]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn diagnoses(output: &str, expected: Diagnosis) {
        assert_eq!(diagnose(output), Some(expected));
    }

    #[test]
    fn an_unknown_package_is_named() {
        let output = "Reading package lists...\nE: Unable to locate package nosuchpkg\n";
        diagnoses(output, Diagnosis::UnknownPackage("nosuchpkg".into()));
        let hint = Diagnosis::UnknownPackage("libsodum-dev".into()).hint(&["libsodium-dev".into()]);
        assert_eq!(hint, "no apt source of this node offers `libsodum-dev`; did you mean `libsodium-dev`");
    }

    #[test]
    fn an_unknown_version_is_named_with_its_package() {
        let (version, package) = ("9".into(), "jq".into());
        diagnoses("E: Version '9' for 'jq' was not found\n", Diagnosis::UnknownVersion { version, package });
    }

    #[test]
    fn a_virtual_package_is_not_reported_as_unknown() {
        let output = "E: Package 'libcurl-dev' has no installation candidate\n";
        diagnoses(output, Diagnosis::NoCandidate("libcurl-dev".into()));
    }

    #[test]
    fn unmet_dependencies_differ_from_a_node_that_was_already_broken() {
        let output = "The following packages have unmet dependencies:\n \
                    jq : Depends: libjq1 (= 1.6-2.1+deb12u2) but 1.6-2.1+deb12u3 is to be installed\n\
                    E: Unable to correct problems, you have held broken packages.\n";
        diagnoses(output, Diagnosis::Unmet);
        let output = "E: Unmet dependencies. Try 'apt --fix-broken install' with no packages (or specify a solution).";
        diagnoses(output, Diagnosis::BrokenBefore);
    }

    #[test]
    fn packages_that_would_be_removed_are_listed() {
        let output = "The following packages will be REMOVED:\n  less libfoo*\nThe following held packages will be \
                    changed:\n  less\nE: Packages need to be removed but remove is disabled.\n";
        diagnoses(output, Diagnosis::Removal(vec!["less".into(), "libfoo".into()]));
    }

    #[test]
    fn a_held_lock_differs_from_a_lock_without_permission() {
        diagnoses(
            "E: Could not get lock /var/lib/dpkg/lock-frontend. It is held by process 403 (perl)\nE: Unable to acquire \
             the dpkg frontend lock (/var/lib/dpkg/lock-frontend), is another process using it?",
            Diagnosis::Locked,
        );
        diagnoses("dpkg: error: dpkg frontend lock was locked by another process with pid 403", Diagnosis::Locked);
        diagnoses(
            "E: Could not open lock file /var/lib/dpkg/lock-frontend - open (13: Permission denied)\nE: Unable to \
             acquire the dpkg frontend lock (/var/lib/dpkg/lock-frontend), are you root?",
            Diagnosis::NotRoot,
        );
    }

    #[test]
    fn problems_of_the_node_are_recognised() {
        diagnoses(
            "E: dpkg was interrupted, you must manually run 'dpkg --configure -a' to correct the problem. ",
            Diagnosis::Interrupted,
        );
        diagnoses(
            "E: The package probe needs to be reinstalled, but I can't find an archive for it.",
            Diagnosis::NoArchive("probe".into()),
        );
        diagnoses("E: You don't have enough free space in /var/cache/apt/archives/.", Diagnosis::DiskFull);
        diagnoses(
            "dpkg: error processing archive /x/a.deb (--unpack):\n cannot copy extracted data for './usr/bin/a' to \
             '/usr/bin/a.dpkg-new': failed to write (No space left on device)",
            Diagnosis::DiskFull,
        );
        diagnoses("E: Could not open file /var/lib/dpkg/lock - open (30: Read-only file system)", Diagnosis::ReadOnly);
    }

    #[test]
    fn problems_of_a_source_are_recognised() {
        diagnoses(
            "W: GPG error: http://x bookworm-backports InRelease: The following signatures couldn't be verified because \
             the public key is not available: NO_PUBKEY 6ED0E7B82643E131 NO_PUBKEY 78DBA3BC47EF2265\nE: The repository \
             'http://x bookworm-backports InRelease' is not signed.",
            Diagnosis::NoKey("6ED0E7B82643E131".into()),
        );
        diagnoses(
            "E: Release file for http://x/dists/s/InRelease is not valid yet (invalid for another 3h 2min 1s). Updates \
             for this repository will not be applied.",
            Diagnosis::Clock,
        );
        diagnoses(
            "E: Release file for http://x/dists/s/InRelease is expired (invalid since 3d 1h). Updates for this \
             repository will not be applied.",
            Diagnosis::Clock,
        );
        diagnoses("E: The repository 'http://x nosuchsuite Release' does not have a Release file.", Diagnosis::Gone);
        diagnoses("E: Failed to fetch http://x/a.deb  404  Not Found [IP: 192.0.2.1 80]", Diagnosis::Gone);
        diagnoses("E: Failed to fetch http://x/a.deb  403  Forbidden [IP: 127.0.0.1 80]", Diagnosis::Forbidden);
        diagnoses("E: Failed to fetch file:/srv/repo/./p.deb  Hash Sum mismatch", Diagnosis::HashMismatch);
        diagnoses("W: Failed to fetch http://x/InRelease  Temporary failure resolving 'x'", Diagnosis::Unresolved);
        diagnoses(
            "W: Failed to fetch http://nosuch.invalid/x  Could not resolve 'nosuch.invalid'",
            Diagnosis::Unresolved,
        );
        diagnoses(
            "W: Failed to fetch http://127.0.0.1:9/x/./InRelease  Could not connect to 127.0.0.1:9 (127.0.0.1). - \
             connect (111: Connection refused)",
            Diagnosis::Unreachable,
        );
    }

    #[test]
    fn a_failed_maintainer_script_is_reported_with_its_package() {
        diagnoses(
            "dpkg: error processing package probe (--configure):\n installed probe package post-installation script \
             subprocess returned error exit status 1\nErrors were encountered while processing:\n probe\nE: Sub-process \
             /usr/bin/dpkg returned an error code (1)\n",
            Diagnosis::Script { package: "probe".into() },
        );
    }

    #[test]
    fn only_network_problems_are_transient() {
        assert!(Diagnosis::Unreachable.is_transient());
        let unknown = Diagnosis::UnknownPackage("x".into());
        assert!(!unknown.is_transient() && unknown.update_may_help());
        assert!(!Diagnosis::DiskFull.update_may_help());
    }

    #[test]
    fn unknown_output_has_no_diagnosis() {
        assert_eq!(diagnose("E: An unknown message\n"), None);
    }
}
