//! Python environments, read from their files: version, folders, installed distributions. Python is not started.

mod distribution;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod name;
mod requirement_text;
mod tags;

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
};

pub use distribution::{Distribution, RecordEntry, bytecode_path};
pub use name::normalised;
use pep508_rs::{MarkerEnvironment, MarkerEnvironmentBuilder};
pub use requirement_text::is_parsable;
pub use tags::{WheelMismatch, WheelName};

/// A Python environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PythonEnv {
    /// The path of the interpreter. Links are not resolved, because a virtualenv is identified by the link.
    pub interpreter: PathBuf,
    /// Version: major, minor, patch.
    pub version: (u32, u32, u32),
    /// The folder that pip installs to.
    pub site_packages: PathBuf,
    /// Whether it is a virtualenv.
    pub virtualenv: bool,
    /// The installed distributions by normalized name. The environment's own take precedence over the system's.
    pub distributions: BTreeMap<String, Distribution>,
}

/// Why an environment could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PythonError {
    /// There is no interpreter.
    #[error("there is no Python interpreter at `{0}`")]
    NoInterpreter(PathBuf),
    /// Its version or its folder for packages is unknown.
    #[error("`{0}` is not in a Python environment: there is no `lib/python3.x/site-packages`")]
    NoSitePackages(PathBuf),
    /// A folder could not be read.
    #[error("the Python environment of `{path}` could not be read")]
    Unreadable {
        /// The interpreter.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
}

impl PythonEnv {
    /// Reads the environment of an interpreter.
    pub fn read(interpreter: &Path) -> Result<Self, PythonError> {
        let real =
            std::fs::canonicalize(interpreter).map_err(|_| PythonError::NoInterpreter(interpreter.to_owned()))?;
        let unreadable = |source| PythonError::Unreadable { path: interpreter.to_owned(), source };
        let prefix = interpreter.parent().and_then(Path::parent).unwrap_or(Path::new("/"));
        let config = std::fs::read_to_string(prefix.join("pyvenv.cfg")).ok().map(|text| Config::parse(&text));
        let virtualenv = config.is_some();
        let (minor, site_packages) = site_packages(prefix, &real, virtualenv)
            .ok_or_else(|| PythonError::NoSitePackages(interpreter.to_owned()))?;
        let patch = config.as_ref().and_then(|config| config.version).filter(|version| version.1 == minor);
        let mut folders = vec![site_packages.clone()];
        if config.is_none_or(|config| config.system_site_packages) {
            folders.extend(system_folders(minor));
        }
        let mut distributions = BTreeMap::new();
        for folder in folders {
            for found in distribution::read_folder(&folder).map_err(unreadable)? {
                distributions.entry(found.name.clone()).or_insert(found);
            }
        }
        let version = patch.unwrap_or((3, minor, 0));
        Ok(Self { interpreter: interpreter.to_owned(), version, site_packages, virtualenv, distributions })
    }

    /// The minor version of an interpreter, and the folder that pip installs to. Reads no distribution.
    pub fn locate(interpreter: &Path) -> Option<(u32, PathBuf)> {
        let real = std::fs::canonicalize(interpreter).ok()?;
        let prefix = interpreter.parent().and_then(Path::parent).unwrap_or(Path::new("/"));
        site_packages(prefix, &real, prefix.join("pyvenv.cfg").is_file())
    }

    /// The tag of the interpreter's byte code, such as `cpython-311` (PEP 3147).
    pub fn tag(&self) -> String {
        format!("cpython-{}{}", self.version.0, self.version.1)
    }

    /// The environment for PEP 508 markers.
    pub fn markers(&self, arch: &str) -> Option<MarkerEnvironment> {
        let (major, minor, patch) = self.version;
        let full = format!("{major}.{minor}.{patch}");
        let short = format!("{major}.{minor}");
        let machine = if arch == "arm64" { "aarch64" } else { "x86_64" };
        MarkerEnvironment::try_from(MarkerEnvironmentBuilder {
            implementation_name: "cpython",
            implementation_version: &full,
            os_name: "posix",
            platform_machine: machine,
            platform_python_implementation: "CPython",
            platform_release: "",
            platform_system: "Linux",
            platform_version: "",
            python_full_version: &full,
            python_version: &short,
            sys_platform: "linux",
        })
        .ok()
    }
}

/// The content of `pyvenv.cfg` (PEP 405).
struct Config {
    version: Option<(u32, u32, u32)>,
    system_site_packages: bool,
}

impl Config {
    fn parse(text: &str) -> Self {
        let value = |name: &str| {
            let mut lines = text.lines().filter_map(|line| line.split_once('='));
            lines.find(|(key, _)| key.trim() == name).map(|(_, value)| value.trim())
        };
        let version = value("version").or_else(|| value("version_info")).and_then(|text| {
            let mut numbers = text.split('.').map_while(|part| part.parse().ok());
            Some((numbers.next()?, numbers.next()?, numbers.next().unwrap_or(0)))
        });
        let system_site_packages =
            value("include-system-site-packages").is_some_and(|word| word.eq_ignore_ascii_case("true"));
        Self { version, system_site_packages }
    }
}

/// The minor version and the folder that pip installs to.
fn site_packages(prefix: &Path, real: &Path, virtualenv: bool) -> Option<(u32, PathBuf)> {
    let name = real.file_name()?.to_str()?;
    let named = name.strip_prefix("python3.").and_then(|minor| minor.parse::<u32>().ok());
    let minors: Vec<u32> = match named {
        Some(minor) => vec![minor],
        None => minors_below(&prefix.join("lib")),
    };
    minors.into_iter().find_map(|minor| {
        let lib = prefix.join("lib").join(format!("python3.{minor}"));
        let debian = Path::new("/usr/local/lib").join(format!("python3.{minor}/dist-packages"));
        let candidates = [lib.join("site-packages"), debian, lib.join("dist-packages")];
        let candidates = if virtualenv { &candidates[..1] } else { &candidates[..] };
        candidates.iter().find(|folder| folder.is_dir()).map(|folder| (minor, folder.clone()))
    })
}

fn minors_below(lib: &Path) -> Vec<u32> {
    let entries = std::fs::read_dir(lib).into_iter().flatten().filter_map(Result::ok);
    let mut minors: Vec<u32> =
        entries.filter_map(|entry| entry.file_name().to_str()?.strip_prefix("python3.")?.parse().ok()).collect();
    minors.sort_unstable_by(|left, right| right.cmp(left));
    minors
}

/// The system's folders of distributions on Debian, for a virtualenv with `include-system-site-packages`.
fn system_folders(minor: u32) -> [PathBuf; 3] {
    [
        format!("/usr/local/lib/python3.{minor}/dist-packages").into(),
        "/usr/lib/python3/dist-packages".into(),
        format!("/usr/lib/python3.{minor}/site-packages").into(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fs::put;

    fn environment(metadata: &[(&str, &str)]) -> (tempfile::TempDir, PathBuf) {
        let temp = tempfile::tempdir().expect("a temporary folder");
        let write = |name: &str, text: &str| put(&temp.path().join(name), text);
        write("pyvenv.cfg", "home = /usr/bin\ninclude-system-site-packages = false\nversion = 3.11.2\n");
        write("base/python3.11", "");
        crate::fs::create_dirs(&temp.path().join("bin"), 0o755).expect("created");
        std::os::unix::fs::symlink("../base/python3.11", temp.path().join("bin/python")).expect("linked");
        for (folder, text) in metadata {
            write(&format!("lib/python3.11/site-packages/{folder}/METADATA"), text);
            write(&format!("lib/python3.11/site-packages/{folder}/RECORD"), "");
        }
        crate::fs::create_dirs(&temp.path().join("lib/python3.11/site-packages"), 0o755).expect("created");
        let interpreter = temp.path().join("bin/python");
        (temp, interpreter)
    }

    #[test]
    fn a_virtualenv_is_read_from_its_files() {
        let metadata = "Metadata-Version: 2.1\nName: Scikit_Learn\nVersion: 1.5.0\nRequires-Dist: numpy>=1.19.5\n\nName: not a header\n";
        let (_temp, interpreter) = environment(&[("scikit_learn-1.5.0.dist-info", metadata)]);
        let env = PythonEnv::read(&interpreter).expect("an environment");
        assert_eq!(env.version, (3, 11, 2));
        let found = &env.distributions["scikit-learn"];
        assert_eq!((found.version.as_str(), found.requires.as_slice()), ("1.5.0", &["numpy>=1.19.5".to_owned()][..]));
    }

    #[test]
    fn a_folder_without_metadata_is_not_installed() {
        let (temp, interpreter) = environment(&[]);
        crate::fs::create_dirs(&temp.path().join("lib/python3.11/site-packages/x-1.0.dist-info"), 0o755)
            .expect("created");
        let env = PythonEnv::read(&interpreter).expect("an environment");
        assert!(!env.distributions["x"].is_complete);
    }

    #[test]
    fn a_missing_interpreter_is_named() {
        let error = PythonEnv::read(Path::new("/nowhere/bin/python")).expect_err("nothing there");
        assert_eq!(error.to_string(), "there is no Python interpreter at `/nowhere/bin/python`");
    }
}
