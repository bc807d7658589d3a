//! What apt's and dpkg's own words mean, and what to do about it. A text that says nothing known means nothing:
//! no guess.

/// What a failed command said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Diagnosis {
    /// No source offers this package.
    UnknownPackage(String),
    /// No source offers this version of a package.
    UnknownVersion { version: String, package: String },
    /// A name without a package of its own.
    NoCandidate(String),
    /// A dependency cannot be had.
    Unmet,
    /// Something would have to be removed.
    Removal(Vec<String>),
    /// A package is held at its version.
    Held,
    /// The disk is full.
    DiskFull,
    /// The file system is read-only.
    ReadOnly,
    /// Somebody else works with dpkg or apt.
    Locked,
    /// An earlier dpkg was ended before its work was done.
    Interrupted,
    /// The node has packages whose dependencies are missing.
    BrokenBefore,
    /// A package was left half-installed, and nobody offers it.
    NoArchive(String),
    /// The agent is not root.
    NotRoot,
    /// The key of a source is not known here.
    NoKey(String),
    /// A source is not signed, or its signature is wrong.
    NotSigned,
    /// The clock of the node or the age of the source is wrong.
    Clock,
    /// A source does not have what its index names.
    Gone,
    /// A source wants a login.
    Forbidden,
    /// What came is not what the index names.
    HashMismatch,
    /// A name was not resolved.
    Unresolved,
    /// A server was not reached.
    Unreachable,
    /// The server's certificate is not trusted.
    Certificate,
    /// A package's own script failed.
    Script { package: String },
}

/// What a command meant, by the most telling of its words.
pub(super) fn meaning(said: &str) -> Option<Diagnosis> {
    fixed(said, FIRST).or_else(|| named(said)).or_else(|| fixed(said, LATER))
}

/// Words that explain everything beside them, most telling first.
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

/// Words that others explain better when they stand beside them.
const LATER: &[(&str, Diagnosis)] = &[
    ("held packages were changed", Diagnosis::Held),
    ("unmet dependencies", Diagnosis::Unmet),
    ("held broken packages", Diagnosis::Unmet),
    ("is not valid yet", Diagnosis::Clock),
    ("is expired", Diagnosis::Clock),
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

fn fixed(said: &str, table: &[(&str, Diagnosis)]) -> Option<Diagnosis> {
    table.iter().find(|(words, _)| said.contains(words)).map(|(_, meaning)| meaning.clone())
}

fn named(said: &str) -> Option<Diagnosis> {
    said.lines().find_map(|line| {
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
            Some(Diagnosis::Removal(removals(said)))
        } else if let Some(package) = line.strip_prefix("dpkg: error processing package ") {
            let package = package.split_ascii_whitespace().next()?;
            said.contains("script subprocess").then(|| Diagnosis::Script { package: package.to_owned() })
        } else {
            let key = line.split_once("NO_PUBKEY ")?.1.split_ascii_whitespace().next()?;
            Some(Diagnosis::NoKey(key.to_owned()))
        }
    })
}

/// The packages under apt's heading.
fn removals(said: &str) -> Vec<String> {
    let after = said.lines().skip_while(|line| !line.starts_with("The following packages will be REMOVED")).skip(1);
    let names = after.take_while(|line| line.starts_with(' ')).flat_map(str::split_ascii_whitespace);
    names.map(|name| name.trim_end_matches('*').to_owned()).collect()
}

impl Diagnosis {
    /// Whether the same command may succeed a little later, with nothing changed.
    pub(super) fn is_transient(&self) -> bool {
        matches!(self, Self::Unresolved | Self::Unreachable)
    }

    /// Whether newer package lists may change the answer.
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

    /// What to do. `known` are names or versions that exist instead, when they were looked up.
    pub(super) fn hint(&self, known: &[String]) -> String {
        let listed = known.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        match self {
            Self::UnknownPackage(package) if known.is_empty() => format!(
                "no apt source of this node offers `{package}`; check the name, or add its source under `[[apt.sources]]`"
            ),
            Self::UnknownPackage(package) => {
                format!("no apt source of this node offers `{package}`; did you mean {listed}")
            }
            Self::UnknownVersion { version, package } if known.is_empty() => {
                format!("no apt source of this node offers version {version} of `{package}`")
            }
            Self::UnknownVersion { package, .. } => format!("of `{package}` there is {listed}; change the pin"),
            Self::NoCandidate(package) if known.is_empty() => {
                format!("`{package}` has no package of its own here; name the package that provides it")
            }
            Self::NoCandidate(package) => format!("`{package}` is provided by {listed}; name one of them"),
            Self::Unmet => "the packages asked for do not fit together or with what is installed; \
                            check pins, held packages and local debs"
                .into(),
            Self::Removal(removed) if removed.is_empty() => {
                "installing this would remove packages of the node, which nodeagent does not do".into()
            }
            Self::Removal(removed) => format!(
                "installing this would remove {}, which nodeagent does not do; drop the package that conflicts",
                removed.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
            ),
            Self::Held => {
                "a package is held at its version; `apt-mark unhold NAME` on the node's image frees it".into()
            }
            Self::DiskFull => "the disk is full; free some space and run nodeagent again".into(),
            Self::ReadOnly => "the file system is mounted read-only; packages cannot be installed on this node".into(),
            Self::Locked => "another program works with dpkg or apt; run nodeagent again when it is done".into(),
            Self::Interrupted => {
                "an earlier dpkg was ended before its work was done; `dpkg --configure -a` ends it".into()
            }
            Self::BrokenBefore => {
                "packages of this node lack dependencies; `apt-get --fix-broken install` shows which".into()
            }
            Self::NoArchive(package) => format!(
                "`{package}` was left half-installed and no source offers it; give its file under `debs`, or remove it \
                 (`dpkg --remove --force-remove-reinstreq {package}`)"
            ),
            Self::NotRoot => "run nodeagent as root".into(),
            Self::NoKey(key) => format!(
                "the key {key} that signs the source is not known here; give its file and fingerprint under `[[apt.sources]]`"
            ),
            Self::NotSigned => {
                "the source is not signed with a key that is known here; check its address and key".into()
            }
            Self::Clock => {
                "the source is older or newer than the node's clock allows; check the clock (`date -u`)".into()
            }
            Self::Gone => {
                "the source does not have what its index or the profile names; its mirror may be incomplete, or its \
                 address or suite wrong"
                    .into()
            }
            Self::Forbidden => {
                "the source wants a login (`[[logins]]` in the profile), or a proxy refuses the address".into()
            }
            Self::HashMismatch => {
                "what the source sends is not what its index names; a proxy may keep old files, or the mirror is being \
                 updated"
                    .into()
            }
            Self::Unresolved => "the node cannot resolve the source's name; check DNS".into(),
            Self::Unreachable => "check that the node reaches the source (address, proxy, firewall)".into(),
            Self::Certificate => {
                "the source's certificate is not trusted here; add the authority to the node's CA certificates".into()
            }
            Self::Script { package } => {
                format!("the script of `{package}` failed; its own words are in the full log, apt.log")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn means(said: &str, expected: Diagnosis) {
        assert_eq!(meaning(said), Some(expected));
    }

    #[test]
    fn a_package_that_nobody_offers_is_named() {
        let said = "Reading package lists...\nE: Unable to locate package nosuchpkg\n";
        means(said, Diagnosis::UnknownPackage("nosuchpkg".into()));
        let hint = Diagnosis::UnknownPackage("libsodum-dev".into()).hint(&["libsodium-dev".into()]);
        assert_eq!(hint, "no apt source of this node offers `libsodum-dev`; did you mean `libsodium-dev`");
    }

    #[test]
    fn a_version_that_nobody_offers_is_named_with_its_package() {
        let (version, package) = ("9".into(), "jq".into());
        means("E: Version '9' for 'jq' was not found\n", Diagnosis::UnknownVersion { version, package });
    }

    #[test]
    fn a_virtual_package_is_not_an_unknown_one() {
        let said = "E: Package 'libcurl-dev' has no installation candidate\n";
        means(said, Diagnosis::NoCandidate("libcurl-dev".into()));
    }

    #[test]
    fn dependencies_that_do_not_fit_are_told_from_a_node_that_was_broken_before() {
        let said = "The following packages have unmet dependencies:\n \
                    jq : Depends: libjq1 (= 1.6-2.1+deb12u2) but 1.6-2.1+deb12u3 is to be installed\n\
                    E: Unable to correct problems, you have held broken packages.\n";
        means(said, Diagnosis::Unmet);
        let said = "E: Unmet dependencies. Try 'apt --fix-broken install' with no packages (or specify a solution).";
        means(said, Diagnosis::BrokenBefore);
    }

    #[test]
    fn what_would_be_removed_is_listed() {
        let said = "The following packages will be REMOVED:\n  less libfoo*\nThe following held packages will be \
                    changed:\n  less\nE: Packages need to be removed but remove is disabled.\n";
        means(said, Diagnosis::Removal(vec!["less".into(), "libfoo".into()]));
    }

    #[test]
    fn a_lock_held_by_somebody_is_told_from_one_we_may_not_take() {
        means(
            "E: Could not get lock /var/lib/dpkg/lock-frontend. It is held by process 403 (perl)\nE: Unable to acquire \
             the dpkg frontend lock (/var/lib/dpkg/lock-frontend), is another process using it?",
            Diagnosis::Locked,
        );
        means("dpkg: error: dpkg frontend lock was locked by another process with pid 403", Diagnosis::Locked);
        means(
            "E: Could not open lock file /var/lib/dpkg/lock-frontend - open (13: Permission denied)\nE: Unable to \
             acquire the dpkg frontend lock (/var/lib/dpkg/lock-frontend), are you root?",
            Diagnosis::NotRoot,
        );
    }

    #[test]
    fn states_of_the_node_are_recognised() {
        means(
            "E: dpkg was interrupted, you must manually run 'dpkg --configure -a' to correct the problem. ",
            Diagnosis::Interrupted,
        );
        means(
            "E: The package probe needs to be reinstalled, but I can't find an archive for it.",
            Diagnosis::NoArchive("probe".into()),
        );
        means("E: You don't have enough free space in /var/cache/apt/archives/.", Diagnosis::DiskFull);
        means(
            "dpkg: error processing archive /x/a.deb (--unpack):\n cannot copy extracted data for './usr/bin/a' to \
             '/usr/bin/a.dpkg-new': failed to write (No space left on device)",
            Diagnosis::DiskFull,
        );
        means("E: Could not open file /var/lib/dpkg/lock - open (30: Read-only file system)", Diagnosis::ReadOnly);
    }

    #[test]
    fn troubles_of_a_source_are_recognised() {
        means(
            "W: GPG error: http://x bookworm-backports InRelease: The following signatures couldn't be verified because \
             the public key is not available: NO_PUBKEY 6ED0E7B82643E131 NO_PUBKEY 78DBA3BC47EF2265\nE: The repository \
             'http://x bookworm-backports InRelease' is not signed.",
            Diagnosis::NoKey("6ED0E7B82643E131".into()),
        );
        means(
            "E: Release file for http://x/dists/s/InRelease is not valid yet (invalid for another 3h 2min 1s). Updates \
             for this repository will not be applied.",
            Diagnosis::Clock,
        );
        means(
            "E: Release file for http://x/dists/s/InRelease is expired (invalid since 3d 1h). Updates for this \
             repository will not be applied.",
            Diagnosis::Clock,
        );
        means("E: The repository 'http://x nosuchsuite Release' does not have a Release file.", Diagnosis::Gone);
        means("E: Failed to fetch http://x/a.deb  404  Not Found [IP: 192.0.2.1 80]", Diagnosis::Gone);
        means("E: Failed to fetch http://x/a.deb  403  Forbidden [IP: 127.0.0.1 80]", Diagnosis::Forbidden);
        means("E: Failed to fetch file:/srv/repo/./p.deb  Hash Sum mismatch", Diagnosis::HashMismatch);
        means("W: Failed to fetch http://x/InRelease  Temporary failure resolving 'x'", Diagnosis::Unresolved);
        means("W: Failed to fetch http://nosuch.invalid/x  Could not resolve 'nosuch.invalid'", Diagnosis::Unresolved);
        means(
            "W: Failed to fetch http://127.0.0.1:9/x/./InRelease  Could not connect to 127.0.0.1:9 (127.0.0.1). - \
             connect (111: Connection refused)",
            Diagnosis::Unreachable,
        );
    }

    #[test]
    fn a_script_that_failed_is_named_by_its_package() {
        means(
            "dpkg: error processing package probe (--configure):\n installed probe package post-installation script \
             subprocess returned error exit status 1\nErrors were encountered while processing:\n probe\nE: Sub-process \
             /usr/bin/dpkg returned an error code (1)\n",
            Diagnosis::Script { package: "probe".into() },
        );
    }

    #[test]
    fn only_the_network_is_worth_the_same_try_again() {
        assert!(Diagnosis::Unreachable.is_transient());
        let unknown = Diagnosis::UnknownPackage("x".into());
        assert!(!unknown.is_transient() && unknown.update_may_help());
        assert!(!Diagnosis::DiskFull.update_may_help());
    }

    #[test]
    fn nothing_is_guessed() {
        assert_eq!(meaning("E: Something nobody has seen before\n"), None);
    }
}
