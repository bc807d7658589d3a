//! What apt's and dpkg's own words mean, and what to do about it. A text that says nothing known means nothing:
//! no guess.

/// What a failed command said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Meaning {
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
pub(super) fn meaning(said: &str) -> Option<Meaning> {
    fixed(said, FIRST).or_else(|| named(said)).or_else(|| fixed(said, LATER))
}

/// Words that explain everything beside them, most telling first.
const FIRST: &[(&str, Meaning)] = &[
    ("No space left on device", Meaning::DiskFull),
    ("You don't have enough free space", Meaning::DiskFull),
    ("Read-only file system", Meaning::ReadOnly),
    ("(13: Permission denied)", Meaning::NotRoot),
    ("requested operation requires superuser privilege", Meaning::NotRoot),
    ("Could not get lock", Meaning::Locked),
    ("is another process using it?", Meaning::Locked),
    ("Unable to lock directory", Meaning::Locked),
    ("was locked by another process", Meaning::Locked),
    ("is locked by another process", Meaning::Locked),
    ("dpkg was interrupted", Meaning::Interrupted),
    ("Try 'apt --fix-broken install'", Meaning::BrokenBefore),
    ("You might want to run 'apt --fix-broken install'", Meaning::BrokenBefore),
];

/// Words that others explain better when they stand beside them.
const LATER: &[(&str, Meaning)] = &[
    ("held packages were changed", Meaning::Held),
    ("unmet dependencies", Meaning::Unmet),
    ("held broken packages", Meaning::Unmet),
    ("is not valid yet", Meaning::Clock),
    ("is expired", Meaning::Clock),
    ("Certificate verification failed", Meaning::Certificate),
    ("Hash Sum mismatch", Meaning::HashMismatch),
    ("File has unexpected size", Meaning::HashMismatch),
    ("Temporary failure resolving", Meaning::Unresolved),
    ("Could not resolve", Meaning::Unresolved),
    ("Could not connect", Meaning::Unreachable),
    ("Connection failed", Meaning::Unreachable),
    ("Connection timed out", Meaning::Unreachable),
    ("Connection refused", Meaning::Unreachable),
    ("Unable to connect", Meaning::Unreachable),
    ("404  Not Found", Meaning::Gone),
    ("401  Unauthorized", Meaning::Forbidden),
    ("403  Forbidden", Meaning::Forbidden),
    ("does not have a Release file", Meaning::Gone),
    ("is not signed", Meaning::NotSigned),
    ("At least one invalid signature", Meaning::NotSigned),
];

fn fixed(said: &str, table: &[(&str, Meaning)]) -> Option<Meaning> {
    table.iter().find(|(words, _)| said.contains(words)).map(|(_, meaning)| meaning.clone())
}

fn named(said: &str) -> Option<Meaning> {
    said.lines().find_map(|line| {
        let quoted = |prefix: &str, suffix: &str| Some(line.strip_prefix(prefix)?.strip_suffix(suffix)?.to_owned());
        if let Some(package) = line.strip_prefix("E: Unable to locate package ") {
            Some(Meaning::UnknownPackage(package.trim_end().to_owned()))
        } else if let Some(both) = quoted("E: Version '", "' was not found") {
            let (version, package) = both.split_once("' for '")?;
            Some(Meaning::UnknownVersion { version: version.to_owned(), package: package.to_owned() })
        } else if let Some(package) = quoted("E: Package '", "' has no installation candidate") {
            Some(Meaning::NoCandidate(package))
        } else if let Some(package) =
            quoted("E: The package ", " needs to be reinstalled, but I can't find an archive for it.")
        {
            Some(Meaning::NoArchive(package))
        } else if line.starts_with("E: Packages need to be removed but remove is disabled") {
            Some(Meaning::Removal(removals(said)))
        } else if let Some(package) = line.strip_prefix("dpkg: error processing package ") {
            let package = package.split_ascii_whitespace().next()?;
            said.contains("script subprocess").then(|| Meaning::Script { package: package.to_owned() })
        } else {
            let key = line.split_once("NO_PUBKEY ")?.1.split_ascii_whitespace().next()?;
            Some(Meaning::NoKey(key.to_owned()))
        }
    })
}

/// The packages under apt's heading.
fn removals(said: &str) -> Vec<String> {
    let after = said.lines().skip_while(|line| !line.starts_with("The following packages will be REMOVED")).skip(1);
    let names = after.take_while(|line| line.starts_with(' ')).flat_map(str::split_ascii_whitespace);
    names.map(|name| name.trim_end_matches('*').to_owned()).collect()
}

impl Meaning {
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
    fn means(said: &str, expected: Meaning) {
        assert_eq!(meaning(said), Some(expected));
    }

    #[test]
    fn a_package_that_nobody_offers_is_named() {
        let said = "Reading package lists...\nE: Unable to locate package nosuchpkg\n";
        means(said, Meaning::UnknownPackage("nosuchpkg".into()));
        let hint = Meaning::UnknownPackage("libsodum-dev".into()).hint(&["libsodium-dev".into()]);
        assert_eq!(hint, "no apt source of this node offers `libsodum-dev`; did you mean `libsodium-dev`");
    }

    #[test]
    fn a_version_that_nobody_offers_is_named_with_its_package() {
        let (version, package) = ("9".into(), "jq".into());
        means("E: Version '9' for 'jq' was not found\n", Meaning::UnknownVersion { version, package });
    }

    #[test]
    fn a_virtual_package_is_not_an_unknown_one() {
        let said = "E: Package 'libcurl-dev' has no installation candidate\n";
        means(said, Meaning::NoCandidate("libcurl-dev".into()));
    }

    #[test]
    fn dependencies_that_do_not_fit_are_told_from_a_node_that_was_broken_before() {
        let said = "The following packages have unmet dependencies:\n \
                    jq : Depends: libjq1 (= 1.6-2.1+deb12u2) but 1.6-2.1+deb12u3 is to be installed\n\
                    E: Unable to correct problems, you have held broken packages.\n";
        means(said, Meaning::Unmet);
        let said = "E: Unmet dependencies. Try 'apt --fix-broken install' with no packages (or specify a solution).";
        means(said, Meaning::BrokenBefore);
    }

    #[test]
    fn what_would_be_removed_is_listed() {
        let said = "The following packages will be REMOVED:\n  less libfoo*\nThe following held packages will be \
                    changed:\n  less\nE: Packages need to be removed but remove is disabled.\n";
        means(said, Meaning::Removal(vec!["less".into(), "libfoo".into()]));
    }

    #[test]
    fn a_lock_held_by_somebody_is_told_from_one_we_may_not_take() {
        means(
            "E: Could not get lock /var/lib/dpkg/lock-frontend. It is held by process 403 (perl)\nE: Unable to acquire \
             the dpkg frontend lock (/var/lib/dpkg/lock-frontend), is another process using it?",
            Meaning::Locked,
        );
        means("dpkg: error: dpkg frontend lock was locked by another process with pid 403", Meaning::Locked);
        means(
            "E: Could not open lock file /var/lib/dpkg/lock-frontend - open (13: Permission denied)\nE: Unable to \
             acquire the dpkg frontend lock (/var/lib/dpkg/lock-frontend), are you root?",
            Meaning::NotRoot,
        );
    }

    #[test]
    fn states_of_the_node_are_recognised() {
        means(
            "E: dpkg was interrupted, you must manually run 'dpkg --configure -a' to correct the problem. ",
            Meaning::Interrupted,
        );
        means(
            "E: The package probe needs to be reinstalled, but I can't find an archive for it.",
            Meaning::NoArchive("probe".into()),
        );
        means("E: You don't have enough free space in /var/cache/apt/archives/.", Meaning::DiskFull);
        means(
            "dpkg: error processing archive /x/a.deb (--unpack):\n cannot copy extracted data for './usr/bin/a' to \
             '/usr/bin/a.dpkg-new': failed to write (No space left on device)",
            Meaning::DiskFull,
        );
        means("E: Could not open file /var/lib/dpkg/lock - open (30: Read-only file system)", Meaning::ReadOnly);
    }

    #[test]
    fn troubles_of_a_source_are_recognised() {
        means(
            "W: GPG error: http://x bookworm-backports InRelease: The following signatures couldn't be verified because \
             the public key is not available: NO_PUBKEY 6ED0E7B82643E131 NO_PUBKEY 78DBA3BC47EF2265\nE: The repository \
             'http://x bookworm-backports InRelease' is not signed.",
            Meaning::NoKey("6ED0E7B82643E131".into()),
        );
        means(
            "E: Release file for http://x/dists/s/InRelease is not valid yet (invalid for another 3h 2min 1s). Updates \
             for this repository will not be applied.",
            Meaning::Clock,
        );
        means(
            "E: Release file for http://x/dists/s/InRelease is expired (invalid since 3d 1h). Updates for this \
             repository will not be applied.",
            Meaning::Clock,
        );
        means("E: The repository 'http://x nosuchsuite Release' does not have a Release file.", Meaning::Gone);
        means("E: Failed to fetch http://x/a.deb  404  Not Found [IP: 192.0.2.1 80]", Meaning::Gone);
        means("E: Failed to fetch http://x/a.deb  403  Forbidden [IP: 127.0.0.1 80]", Meaning::Forbidden);
        means("E: Failed to fetch file:/srv/repo/./p.deb  Hash Sum mismatch", Meaning::HashMismatch);
        means("W: Failed to fetch http://x/InRelease  Temporary failure resolving 'x'", Meaning::Unresolved);
        means("W: Failed to fetch http://nosuch.invalid/x  Could not resolve 'nosuch.invalid'", Meaning::Unresolved);
        means(
            "W: Failed to fetch http://127.0.0.1:9/x/./InRelease  Could not connect to 127.0.0.1:9 (127.0.0.1). - \
             connect (111: Connection refused)",
            Meaning::Unreachable,
        );
    }

    #[test]
    fn a_script_that_failed_is_named_by_its_package() {
        means(
            "dpkg: error processing package probe (--configure):\n installed probe package post-installation script \
             subprocess returned error exit status 1\nErrors were encountered while processing:\n probe\nE: Sub-process \
             /usr/bin/dpkg returned an error code (1)\n",
            Meaning::Script { package: "probe".into() },
        );
    }

    #[test]
    fn only_the_network_is_worth_the_same_try_again() {
        assert!(Meaning::Unreachable.is_transient());
        let unknown = Meaning::UnknownPackage("x".into());
        assert!(!unknown.is_transient() && unknown.update_may_help());
        assert!(!Meaning::DiskFull.update_may_help());
    }

    #[test]
    fn nothing_is_guessed() {
        assert_eq!(meaning("E: Something nobody has seen before\n"), None);
    }
}
