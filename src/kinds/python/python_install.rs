//! An installation of Python distributions, as data.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

use pep508_rs::{Requirement, VerbatimUrl, VersionOrUrl};
use url::Url;

use super::package::requirement_name;
use crate::{
    diagnostic::Origin,
    digest::Digest,
    lock::LockedDistribution,
    plan::{
        Layer,
        title::{by_lock, file_name, listed},
    },
    profile::FileStore,
    report::text::counted,
};

/// Python distributions to install.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PythonInstall {
    /// The environment's interpreter.
    pub interpreter: PathBuf,
    /// The folder that receives the distributions.
    pub site_packages: PathBuf,
    /// Whether the environment is a virtualenv. Installers need extra options for the system's environment.
    pub virtualenv: bool,
    /// The folder of a virtual environment of the profile, as an absolute path on the node.
    pub venv: Option<PathBuf>,
    /// Requirements as pip reads them.
    pub requirements: Vec<PythonRequirement>,
    /// Requirements files, as absolute paths.
    pub requirement_files: Vec<PathBuf>,
    /// Wheel files, as absolute paths.
    pub wheels: Vec<Wheel>,
    /// The SHA-256 of requirement lines without a package name. The receipt stores them after the installation.
    pub opaque: Vec<String>,
    /// The sources of distributions.
    pub sources: DistributionSources,
    /// Distributions that must not change, with their versions.
    pub guarded: BTreeMap<String, String>,
    /// The distributions of the runtime, by normalised name.
    pub shipped: BTreeMap<String, String>,
    /// Modules to import at the end.
    pub smoke: Vec<String>,
    /// The source of the installer.
    pub installer: PythonInstaller,
    /// Whether modules are byte-compiled at install time.
    pub compile: bool,
    /// Whether only the listed files may be installed, without an index, not even for dependencies.
    pub only_files: bool,
    /// The files to install besides the wheels if there is a lock. No others are installed.
    pub locked: Option<Vec<LockedDistribution>>,
    /// The layer of all locked packages, if there is a lock.
    pub layer: Option<Layer>,
}

impl PythonInstall {
    /// Whether it installs wheel files only.
    pub fn is_only_wheels(&self) -> bool {
        self.requirements.is_empty() && self.requirement_files.is_empty()
    }

    /// The distributions that are installed without their dependencies, by normalised name.
    pub(super) fn without_deps(&self) -> BTreeSet<String> {
        let named = self.requirements.iter().filter(|requirement| !requirement.deps);
        let wheels = self.wheels.iter().filter(|wheel| !wheel.deps).map(|wheel| wheel.name.clone());
        named.map(|requirement| requirement_name(&requirement.text)).chain(wheels).collect()
    }

    /// The versions of these distributions as constraints. They are resolved apart from the other entries, which may
    /// depend on them.
    pub(super) fn constraints_without_deps(&self) -> Vec<String> {
        let named = self.requirements.iter().filter(|requirement| !requirement.deps).filter_map(|requirement| {
            let mut parsed: Requirement<VerbatimUrl> = requirement.text.parse().ok()?;
            parsed.extras.clear(); // a constraint must not have extras
            matches!(parsed.version_or_url, Some(VersionOrUrl::VersionSpecifier(_))).then(|| parsed.to_string())
        });
        let wheels = self.wheels.iter().filter(|wheel| !wheel.deps);
        named.chain(wheels.map(|wheel| format!("{}=={}", wheel.name, wheel.version))).collect()
    }
}

/// The sources of distributions, and the versions that are acceptable.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DistributionSources {
    /// The package index. `None` is the default of the tool.
    pub index_url: Option<Url>,
    /// Further indexes.
    pub extra_index_urls: Vec<Url>,
    /// Pages and folders with links to distributions.
    pub find_links: Vec<String>,
    /// Whether no index is used.
    pub no_index: bool,
    /// Whether pre-releases are acceptable.
    pub prereleases: bool,
    /// Hosts whose addresses need no encryption.
    pub insecure_http: BTreeSet<String>,
}

/// A requirement and its origin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PythonRequirement {
    /// The requirement, such as `spacy>=3.7`.
    pub text: String,
    /// Whether its dependencies are installed, too.
    pub deps: bool,
    /// The profile line.
    pub origin: Origin,
}

/// A wheel file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wheel {
    /// The file.
    pub path: PathBuf,
    /// The distribution's normalised name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The SHA-256 in the profile.
    pub sha256: Option<String>,
    /// Whether its dependencies are installed, too.
    pub deps: bool,
    /// The profile line.
    pub origin: Origin,
}

/// The program that installs Python distributions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PythonInstaller {
    /// uv from the search path, this file or the index, else pip.
    Automatic {
        /// A uv binary or wheel from the file store.
        uv: Option<PathBuf>,
    },
    /// The environment's own pip.
    Pip,
}

impl PythonInstall {
    pub(super) fn tool(&self) -> &'static str {
        if self.installer == PythonInstaller::Pip { "pip" } else { "uv pip" }
    }

    /// The title: one line.
    pub(super) fn title(&self) -> String {
        format!("install {}", listed(self.names().into_iter()))
    }

    /// The names of the entries.
    pub(super) fn names(&self) -> Vec<String> {
        let files = self.requirement_files.iter().map(|file| file_name(file));
        let wheels = self.wheels.iter().map(|wheel| format!("{} {}", wheel.name, wheel.version));
        let requirements = self.requirements.iter().map(|requirement| requirement.text.clone());
        requirements.chain(files).chain(wheels).collect()
    }

    /// The name of a file of the run that is separate for each environment, because their steps act at the same time:
    /// `pip.log`, or `pip-opt-x-0123abcd.log` for the environment `/opt/x`.
    pub(super) fn own_file(&self, name: &str) -> String {
        let Some(venv) = &self.venv else { return name.to_owned() };
        let path = venv.display().to_string();
        let words = path.replace(|c: char| !c.is_ascii_alphanumeric(), "-");
        let (stem, ending) =
            name.rsplit_once('.').map_or((name, String::new()), |(stem, end)| (stem, format!(".{end}")));
        format!("{stem}{words}-{}{ending}", &Digest::sha256(path.as_bytes()).hex()[..8])
    }

    /// The commands, one line each.
    pub(super) fn describe(&self, store: &FileStore) -> Vec<String> {
        let command = |deps: bool| {
            let files = self.requirement_files.iter().filter(|_| deps);
            let files = files.map(|file| format!("--requirement {}", store.shown(file)));
            let names = self.requirements.iter().filter(|requirement| requirement.deps == deps);
            let names = names.map(|requirement| requirement.text.clone());
            let wheels = self.wheels.iter().filter(|wheel| wheel.deps == deps).map(|wheel| store.shown(&wheel.path));
            let words: Vec<String> = files.chain(names).chain(wheels).collect();
            let (option, python) = (if deps { "" } else { " --no-deps" }, self.interpreter.display());
            let command = || format!("{} install{option} --python {python} {}", self.tool(), words.join(" "));
            (!words.is_empty()).then(command)
        };
        let mut lines: Vec<String> = [command(false), command(true)].into_iter().flatten().collect();
        if let Some(locked) = &self.locked {
            lines.push(by_lock(locked.len(), "distribution"));
        } else if !self.guarded.is_empty() {
            lines.push(format!(
                "with {} that the runtime ships held fixed",
                counted(self.guarded.len(), "distribution")
            ));
        }
        lines
    }
}
