//! The Debian packages of a node, from dpkg's status file.
//!
//! This module has its own parser: every run reads the file, also on ready nodes. A general deb822 parser would copy a
//! hundred fields for each package, and this module needs four.

mod libraries;

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    path::Path,
};

pub use libraries::Libraries;
use memchr::{memchr, memmem};

/// The packages of a node.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Dpkg {
    /// By name. A package may be installed for several architectures.
    packages: BTreeMap<String, Vec<DebState>>,
    /// The virtual packages that installed packages provide.
    provided: BTreeSet<String>,
    /// Whether dpkg was interrupted while it wrote its state.
    interrupted: bool,
}

/// The state of a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DebState {
    /// Its version.
    pub version: String,
    /// Its architecture.
    pub architecture: String,
    /// The progress of its installation.
    pub state: State,
    /// Whether its unpacking was interrupted, so that it must be unpacked again.
    pub reinstall: bool,
}

/// The progress of an installation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Installed, or waiting only for triggers of other packages.
    Installed,
    /// Not installed. Configuration files may remain.
    Absent,
    /// Interrupted: unpacked, half-installed, half-configured, or with pending triggers.
    Unfinished,
}

impl Dpkg {
    /// Reads the status file of the node below `root`. Without the file, there are no packages.
    pub fn read(root: &Path) -> io::Result<Self> {
        let folder = root.join("var/lib/dpkg");
        let bytes = match std::fs::read(folder.join("status")) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            bytes => bytes?,
        };
        let mut dpkg = Self::parse(&bytes);
        dpkg.interrupted = std::fs::read_dir(folder.join("updates")).is_ok_and(|mut entries| entries.next().is_some());
        Ok(dpkg)
    }

    /// Parses a status file. Invalid entries are skipped.
    pub fn parse(mut text: &[u8]) -> Self {
        let mut dpkg = Self::default();
        while !text.is_empty() {
            let (stanza, rest) = Stanza::first(text);
            dpkg.add(&stanza);
            text = rest;
        }
        dpkg
    }

    fn add(&mut self, stanza: &Stanza<'_>) {
        let (Some(name), Some(status)) = (stanza.package, stanza.status) else { return };
        let mut words = status.split_ascii_whitespace().skip(1);
        let flagged = words.next() == Some("reinstreq");
        let status = words.next();
        let reinstall = flagged || status == Some("half-installed");
        let state = match status {
            Some("installed" | "triggers-awaited") => State::Installed,
            Some("not-installed" | "config-files") | None => State::Absent,
            Some(_) => State::Unfinished,
        };
        if state == State::Installed
            && let Some(provides) = stanza.provides
        {
            let names = provides.split(',').filter_map(|entry| entry.split_ascii_whitespace().next());
            self.provided.extend(names.map(|name| name.split(':').next().unwrap_or(name).to_owned()));
        }
        self.packages.entry(name.to_owned()).or_default().push(DebState {
            version: stanza.version.unwrap_or_default().to_owned(),
            architecture: stanza.architecture.unwrap_or_default().to_owned(),
            state,
            reinstall,
        });
    }

    /// The version of an installed package: `libc6`, or `libc6:i386` for one architecture. Without an architecture, the
    /// node's own is preferred.
    pub fn installed_version(&self, name: &str) -> Option<&str> {
        let (name, architecture) = match name.split_once(':') {
            Some((name, "any")) => (name, None),
            Some((name, "native")) => (name, self.native()),
            Some((name, architecture)) => (name, Some(architecture)),
            None => (name, None),
        };
        let mut installed = self.packages.get(name)?.iter().filter(|package| package.state == State::Installed);
        let is = |package: &DebState, wanted: &str| package.architecture == wanted || package.architecture == "all";
        let found = match (architecture, self.native()) {
            (Some(wanted), _) => installed.find(|package| is(package, wanted)),
            (None, Some(native)) => installed.clone().find(|package| is(package, native)).or_else(|| installed.next()),
            (None, None) => installed.next(),
        };
        found.map(|package| package.version.as_str())
    }

    /// Whether an installed package provides a virtual package, such as `awk`.
    pub fn provides(&self, name: &str) -> bool {
        self.provided.contains(name.split(':').next().unwrap_or(name))
    }

    /// The names of the packages with an interrupted installation.
    pub fn broken(&self) -> Vec<&str> {
        let unfinished = |package: &DebState| package.state == State::Unfinished || package.reinstall;
        let broken = self.packages.iter().filter(|(_, packages)| packages.iter().any(unfinished));
        broken.map(|(name, _)| name.as_str()).collect()
    }

    /// The names of the packages that must be unpacked again.
    pub fn half_unpacked(&self) -> Vec<&str> {
        let half = self.packages.iter().filter(|(_, packages)| packages.iter().any(|package| package.reinstall));
        half.map(|(name, _)| name.as_str()).collect()
    }

    /// Whether dpkg must complete interrupted work first.
    pub fn is_unfinished(&self) -> bool {
        self.interrupted || !self.broken().is_empty()
    }

    /// The architecture of dpkg itself.
    pub fn native(&self) -> Option<&str> {
        self.packages.get("dpkg")?.first().map(|dpkg| dpkg.architecture.as_str())
    }
}

/// The relevant fields of a package.
#[derive(Default)]
struct Stanza<'a> {
    package: Option<&'a str>,
    status: Option<&'a str>,
    version: Option<&'a str>,
    architecture: Option<&'a str>,
    provides: Option<&'a str>,
}

impl<'a> Stanza<'a> {
    /// Parses the first package of a text, and returns it with the rest of the text.
    fn first(mut text: &'a [u8]) -> (Self, &'a [u8]) {
        let mut stanza = Self::default();
        while !text.is_empty() {
            let end = memchr(b'\n', text).unwrap_or(text.len());
            let (line, rest) = (&text[..end], text.get(end + 1..).unwrap_or_default());
            if line.trim_ascii().is_empty() {
                return (stanza, rest);
            }
            if stanza.field(line) {
                let left = &text[end..];
                return (stanza, memmem::find(left, b"\n\n").map_or(&[], |end| &left[end + 2..]));
            }
            text = rest;
        }
        (stanza, text)
    }

    /// Parses a line. Returns whether the rest of the stanza can be skipped: dpkg writes fields in a fixed order, and
    /// dependencies and descriptions, most of the file, come last.
    fn field(&mut self, line: &'a [u8]) -> bool {
        let (key, value) = line.split_at(memchr(b':', line).unwrap_or(line.len()));
        let field = match key {
            b"Package" => &mut self.package,
            b"Status" => &mut self.status,
            b"Version" => &mut self.version,
            b"Architecture" => &mut self.architecture,
            b"Provides" => &mut self.provides,
            b"Depends" | b"Conffiles" | b"Description" => return self.version.is_some(),
            _ => return false,
        };
        *field = std::str::from_utf8(value).ok().and_then(|value| Some(value.strip_prefix(':')?.trim()));
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATUS: &str = "\
Package: dpkg
Status: install ok installed
Architecture: amd64
Version: 1.21.23
Description: Debian package management system
 This package provides the low-level infrastructure.
 Status: not a field

Package: mawk
Status: install ok installed
Architecture: amd64
Version: 1.3.4.20200120-3.1
Provides: awk, other (= 2), third:any
Depends: libc6 (>= 2.34)
Description: mawk
Version: not this one

Package: vim
Status: deinstall ok config-files
Architecture: amd64
Version: 2:9.0
Provides: editor
Description: a single line

Package: libc6
Status: install ok installed
Architecture: i386
Version: 2.36-8

Package: libc6
Status: install ok installed
Architecture: amd64
Version: 2.36-9

Package: wine32
Status: install ok installed
Architecture: i386
Version: 8.0

Package: libjq1
Status: install ok unpacked
Architecture: amd64
Version: 1.6

Package: man-db
Status: install ok triggers-pending
Version: 2.11
Architecture: amd64

Package: libonig5
Status: install reinstreq half-installed
Architecture: amd64
Version: 6.9
";

    #[test]
    fn only_completely_installed_packages_count() {
        let dpkg = Dpkg::parse(STATUS.as_bytes());
        assert_eq!(dpkg.installed_version("mawk"), Some("1.3.4.20200120-3.1"));
        for absent in ["vim", "libjq1", "libonig5", "nothing"] {
            assert_eq!(dpkg.installed_version(absent), None, "{absent}");
        }
    }

    #[test]
    fn the_own_architecture_is_preferred_and_another_can_be_named() {
        let dpkg = Dpkg::parse(STATUS.as_bytes());
        assert_eq!(dpkg.installed_version("libc6"), Some("2.36-9"));
        assert_eq!(
            Dpkg::parse(b"Package: a\nStatus: install ok installed\nVersion: 2:9.0").installed_version("a"),
            Some("2:9.0")
        );
        assert_eq!(dpkg.installed_version("libc6:i386"), Some("2.36-8"));
        assert_eq!(dpkg.installed_version("libc6:arm64"), None);
        assert_eq!(dpkg.installed_version("wine32"), Some("8.0"));
    }

    #[test]
    fn installed_packages_provide_virtual_names_and_removed_ones_do_not() {
        let dpkg = Dpkg::parse(STATUS.as_bytes());
        assert!(dpkg.provides("awk") && dpkg.provides("other") && dpkg.provides("third"));
        assert!(!dpkg.provides("editor") && !dpkg.provides("mawk"));
    }

    #[test]
    fn interrupted_installations_are_found() {
        let dpkg = Dpkg::parse(STATUS.as_bytes());
        assert_eq!(dpkg.broken(), ["libjq1", "libonig5", "man-db"]);
        assert_eq!(dpkg.half_unpacked(), ["libonig5"]);
        assert!(dpkg.is_unfinished());
        assert!(!Dpkg::parse(b"Package: a\nStatus: install ok installed\n").is_unfinished());
    }

    #[test]
    fn a_remaining_journal_of_dpkg_is_unfinished_work() {
        let root = tempfile::tempdir().expect("a temporary folder");
        let updates = root.path().join("var/lib/dpkg/updates");
        std::fs::create_dir_all(&updates).expect("created");
        assert_eq!(Dpkg::read(root.path()).expect("no file is no packages"), Dpkg::default());
        let status = root.path().join("var/lib/dpkg/status");
        crate::fs::replace(&status, b"Package: a\nStatus: install ok installed\n", crate::fs::Attributes::default())
            .expect("written");
        assert!(!Dpkg::read(root.path()).expect("readable").is_unfinished());
        std::fs::create_dir(updates.join("0001")).expect("created");
        assert!(Dpkg::read(root.path()).expect("readable").is_unfinished());
    }

    #[test]
    fn invalid_status_files_are_accepted() {
        for text in ["", "\n\n", "Package\nStatus", ":", "Package: a\r\nStatus: install\r\n", "é: x\n é"] {
            assert!(Dpkg::parse(text.as_bytes()).broken().is_empty(), "{text:?}");
        }
    }
}
