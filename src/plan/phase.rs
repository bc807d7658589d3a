//! The phases of the default order, and the reasons why one step precedes another.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use super::step_id::StepId;
use crate::diagnostic::Origin;

/// A phase of the default order. Its steps depend on the steps of certain earlier phases.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Certificates, users, groups and settings of the system.
    Accounts,
    /// Files that package tools read.
    Configuration,
    /// Package sources.
    Sources,
    /// Removed packages of the operating system.
    Removals,
    /// Packages of the operating system.
    Packages,
    /// Packages of Python and R.
    Environments,
    /// Shell configuration and secrets. They depend on nothing.
    Settings,
    /// Files, jars and scheduled jobs.
    Files,
    /// Programs with installers of their own.
    Installers,
    /// The cache of the dynamic linker.
    Linker,
    /// Services.
    Services,
    /// Hooks. They depend on everything.
    Hooks,
}

impl Phase {
    /// The phases whose steps must end before a step of this phase acts.
    pub(super) fn needs(self) -> &'static [Self] {
        use Phase::{
            Accounts, Configuration, Environments, Files, Installers, Linker, Packages, Removals, Services, Settings,
            Sources,
        };
        match self {
            Accounts | Settings | Removals => &[],
            Configuration => &[Accounts],
            Sources => &[Accounts, Configuration],
            Packages => &[Accounts, Configuration, Sources, Removals],
            Environments | Files => &[Accounts, Configuration, Sources, Removals, Packages],
            Installers => &[Accounts, Configuration, Sources, Removals, Packages, Files],
            Linker => &[Accounts, Configuration, Sources, Removals, Packages, Files, Installers],
            Services => &[Accounts, Configuration, Sources, Removals, Packages, Files, Installers, Linker],
            Self::Hooks => &[
                Accounts,
                Configuration,
                Sources,
                Removals,
                Packages,
                Environments,
                Settings,
                Files,
                Installers,
                Linker,
                Services,
            ],
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Accounts => "certificates and accounts",
            Self::Configuration => "configuration files of package tools",
            Self::Sources => "sources",
            Self::Removals => "removed packages",
            Self::Packages => "system packages",
            Self::Environments => "Python and R packages",
            Self::Settings => "settings",
            Self::Files => "files",
            Self::Installers => "installers",
            Self::Linker => "the linker cache",
            Self::Services => "services",
            Self::Hooks => "hooks",
        })
    }
}

/// A resource of the node that one step creates and another uses.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Resource {
    /// A file or folder, by its absolute path on the node.
    Path(PathBuf),
    /// A user.
    User(String),
    /// A group.
    Group(String),
    /// A Debian package that the profile names.
    Package(String),
}

impl Resource {
    /// The folder of a file that a step writes.
    pub fn folder_of(file: &Path) -> Self {
        Self::Path(file.parent().unwrap_or(file).to_owned())
    }

    /// Whether a step that creates this resource must precede a step that uses `used`. True for the same account, the
    /// same path, and a folder that contains the path.
    pub(super) fn is_needed_for(&self, used: &Self) -> bool {
        match (self, used) {
            (Self::Path(created), Self::Path(used)) => used.starts_with(created),
            _ => self == used,
        }
    }
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(path) => write!(f, "`{}`", path.display()),
            Self::User(name) => write!(f, "the user `{name}`"),
            Self::Group(name) => write!(f, "the group `{name}`"),
            Self::Package(name) => write!(f, "the package `{name}`"),
        }
    }
}

/// A step that must end before another one acts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Need {
    /// The step that comes first.
    pub step: StepId,
    /// The reason.
    pub reason: Reason,
}

/// The reason why one step precedes another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// Steps of the first phase come before steps of the second by default.
    Phase(Phase, Phase),
    /// `after` of the later step, at this line.
    After(Origin),
    /// `before` of the earlier step, at this line.
    Before(Origin),
    /// The earlier step creates a resource that the later step uses.
    Creates(Resource),
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Phase(Phase::Hooks, Phase::Hooks) => f.write_str("hooks run one after another"),
            Self::Phase(Phase::Linker, second) => write!(f, "the linker cache comes before {second}"),
            Self::Phase(first, second) => write!(f, "{first} come before {second}"),
            Self::After(origin) => write!(f, "`after` at {origin}"),
            Self::Before(origin) => write!(f, "`before` at {origin}"),
            Self::Creates(resource) => write!(f, "it creates {resource}"),
        }
    }
}
