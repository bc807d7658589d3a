//! Builds the commands of the two installers, uv and pip.

use std::path::{Path, PathBuf};

use crate::{exec::Cmd, kinds::python::PythonInstall};

/// An installer of Python distributions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Installer {
    /// uv, a separate program.
    Uv {
        program: PathBuf,
        /// uv's cache folder.
        cache: PathBuf,
        /// The node's pip configuration as environment variables for uv.
        env: Vec<(String, String)>,
    },
    /// The environment's own pip.
    Pip,
}

/// A request to an installer: a whole step or a part of it.
#[derive(Debug, Clone)]
pub(super) struct Request<'a> {
    pub(super) install: &'a PythonInstall,
    pub(super) constraints: Option<&'a Path>,
    pub(super) requirements: Vec<&'a str>,
    pub(super) files: Vec<&'a Path>,
    pub(super) wheels: Vec<&'a Path>,
    pub(super) dry: bool,
    /// Whether dependencies are installed, too.
    pub(super) deps: bool,
    /// An empty folder to resolve for, if the installer cannot read the environment.
    pub(super) apart: Option<&'a Path>,
}

impl<'a> Request<'a> {
    /// The calls that a step needs: one for the entries that are installed without their dependencies, and one for all
    /// others.
    pub(super) fn calls(install: &'a PythonInstall, constraints: Option<&'a Path>) -> Vec<Self> {
        let calls = [false, true].map(|deps| Self::call(install, constraints, deps));
        let is_needed =
            |call: &Self| !(call.requirements.is_empty() && call.files.is_empty() && call.wheels.is_empty());
        calls.into_iter().filter(is_needed).collect()
    }

    /// The entries that are installed with or without their dependencies.
    pub(super) fn call(install: &'a PythonInstall, constraints: Option<&'a Path>, deps: bool) -> Self {
        let requirements = install.requirements.iter().filter(|requirement| requirement.deps == deps);
        let wheels = install.wheels.iter().filter(|wheel| wheel.deps == deps);
        Self {
            install,
            constraints,
            requirements: requirements.map(|requirement| requirement.text.as_str()).collect(),
            files: install.requirement_files.iter().filter(|_| deps).map(PathBuf::as_path).collect(),
            wheels: wheels.map(|wheel| wheel.path.as_path()).collect(),
            dry: false,
            deps,
            apart: None,
        }
    }

    /// The same request as a dry run.
    pub(super) fn dry(&self) -> Self {
        Self { dry: true, ..self.clone() }
    }
}

/// A distribution that an installation would change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Change {
    /// The normalised name.
    pub(super) name: String,
    /// The version after the installation.
    pub(super) version: String,
}

impl Installer {
    /// The command that installs or resolves.
    pub(super) fn install(&self, request: &Request<'_>) -> Cmd {
        let install = request.install;
        let mut cmd = match self {
            Self::Uv { .. } => {
                self.uv(&["pip", "install"], &install.interpreter).args(["--index-strategy", "unsafe-best-match"])
            }
            Self::Pip => pip("install", &install.interpreter).args(["--no-input", "--progress-bar", "off"]),
        };
        if !install.virtualenv {
            cmd = cmd.arg("--break-system-packages");
        }
        if request.dry {
            cmd = without_byte_code(cmd);
        }
        match (self, request.dry, install.compile) {
            (Self::Uv { .. }, true, _) => cmd = cmd.arg("--dry-run"),
            (Self::Uv { .. }, false, true) => cmd = cmd.arg("--compile-bytecode"),
            (Self::Pip, true, _) => cmd = cmd.args(["--dry-run", "--quiet", "--report", "-"]),
            (Self::Pip, false, false) => cmd = cmd.arg("--no-compile"),
            (Self::Uv { .. }, false, false) | (Self::Pip, false, true) => {}
        }
        match (self, request.apart.filter(|_| request.dry)) {
            (Self::Uv { .. }, Some(empty)) => cmd = cmd.arg("--target").arg(text(empty)),
            (Self::Pip, Some(_)) => cmd = cmd.arg("--ignore-installed"),
            (_, None) => {}
        }
        if install.only_files {
            // A wheel may name a dependency by URL. `--no-deps` prevents its download.
            cmd = cmd.args(["--no-index", "--no-deps"]);
        } else {
            cmd = self.with_sources(if request.deps { cmd } else { cmd.arg("--no-deps") }, install);
        }
        if let Some(constraints) = request.constraints {
            cmd = cmd.arg("--constraint").arg(text(constraints));
        }
        for file in &request.files {
            cmd = cmd.arg("--requirement").arg(text(file));
        }
        cmd.arg("--").args(request.requirements.iter().copied()).args(request.wheels.iter().map(|wheel| text(wheel)))
    }

    /// The command that installs the wheels of a lock from a folder that contains only them. The requirements file has
    /// the digest of each.
    pub(super) fn install_locked(
        &self,
        install: &PythonInstall,
        requirements: &Path,
        links: &Path,
        compile: bool,
    ) -> Cmd {
        let cmd = match self {
            Self::Uv { .. } => self.uv(&["pip", "install"], &install.interpreter),
            Self::Pip => pip("install", &install.interpreter).args(["--no-input", "--progress-bar", "off"]),
        };
        let cmd = if install.virtualenv { cmd } else { cmd.arg("--break-system-packages") };
        let cmd = match (self, compile) {
            (Self::Uv { .. }, true) => cmd.arg("--compile-bytecode"),
            (Self::Pip, false) => cmd.arg("--no-compile"),
            (Self::Uv { .. }, false) | (Self::Pip, true) => cmd,
        };
        let cmd = cmd.args(["--no-deps", "--no-index", "--find-links"]).arg(text(links));
        cmd.args(["--require-hashes", "--requirement"]).arg(text(requirements))
    }

    /// The command that builds a wheel from a source archive into a folder. Build dependencies come from the index.
    pub(super) fn build(&self, install: &PythonInstall, archive: &Path, to: &Path) -> Cmd {
        let cmd = match self {
            Self::Uv { .. } => self.uv(&["build", "--wheel"], &install.interpreter).arg("--out-dir"),
            Self::Pip => {
                let cmd = pip("wheel", &install.interpreter).args(["--no-input", "--progress-bar", "off"]);
                cmd.args(["--no-deps", "--wheel-dir"])
            }
        };
        self.with_sources(cmd.arg(text(to)), install).arg("--").arg(text(archive))
    }

    /// The command that makes a virtual environment.
    pub(super) fn make(&self, base: &Path, folder: &Path) -> Cmd {
        match self {
            Self::Uv { .. } => self.uv(&["venv"], base).arg("--").arg(text(folder)),
            Self::Pip => Cmd::new(text(base)).args(["-m", "venv"]).arg(text(folder)).cwd("/"),
        }
    }

    /// The command that installs pip into an environment that was made by uv.
    pub(super) fn ensure_pip(interpreter: &Path) -> Cmd {
        Cmd::new(text(interpreter)).args(["-m", "ensurepip", "--default-pip"]).cwd("/")
    }

    /// The command that removes distributions.
    pub(super) fn remove(&self, environment: &PythonInstall, names: &[String]) -> Cmd {
        let cmd = match self {
            Self::Uv { .. } => self.uv(&["pip", "uninstall"], &environment.interpreter),
            Self::Pip => pip("uninstall", &environment.interpreter).args(["--yes", "--no-input"]),
        };
        let cmd = if environment.virtualenv { cmd } else { cmd.arg("--break-system-packages") };
        cmd.arg("--").args(names)
    }

    /// Adds the profile's indexes and other sources of distributions.
    fn with_sources(&self, cmd: Cmd, install: &PythonInstall) -> Cmd {
        let sources = &install.sources;
        let first = sources.index_url.iter().map(|url| ["--index-url", url.as_str()]);
        let further = sources.extra_index_urls.iter().map(|url| ["--extra-index-url", url.as_str()]);
        let links = sources.find_links.iter().map(|link| ["--find-links", link.as_str()]);
        let cmd = first.chain(further).chain(links).fold(cmd, Cmd::args);
        let cmd = if sources.no_index { cmd.arg("--no-index") } else { cmd };
        match (self, sources.prereleases) {
            (Self::Uv { .. }, true) => cmd.args(["--prerelease", "allow"]),
            (Self::Pip, true) => cmd.arg("--pre"),
            (_, false) => cmd,
        }
    }

    /// The command that checks the installed distributions for conflicts.
    pub(super) fn check(&self, interpreter: &Path) -> Cmd {
        match self {
            Self::Uv { .. } => without_byte_code(self.uv(&["pip", "check"], interpreter)),
            Self::Pip => without_byte_code(pip("check", interpreter)),
        }
    }

    /// The changes that a dry run reported.
    pub(super) fn changes(&self, stdout: &str, stderr: &str) -> Vec<Change> {
        match self {
            Self::Uv { .. } => uv_changes(stderr),
            Self::Pip => pip_changes(stdout),
        }
    }

    fn uv(&self, words: &[&str], interpreter: &Path) -> Cmd {
        let Self::Uv { program, cache, env } = self else { return pip(words.last().unwrap_or(&""), interpreter) };
        let cmd = Cmd::new(text(program)).args(words.iter().copied());
        let cmd = cmd.args(["--no-progress", "--color", "never", "--python"]).arg(text(interpreter));
        let cmd =
            cmd.env("UV_CACHE_DIR", text(cache)).env("UV_PYTHON_DOWNLOADS", "never").env("UV_SYSTEM_CERTS", "true");
        env.iter().fold(cmd, |cmd, (name, value)| cmd.env(name, value)).cwd("/")
    }
}

fn pip(verb: &str, interpreter: &Path) -> Cmd {
    Cmd::new(text(interpreter)).args(["-m", "pip", "--disable-pip-version-check", "--no-color", verb]).cwd("/")
}

/// Prevents Python from rewriting stale byte code, because a check must not change the environment.
pub(super) fn without_byte_code(cmd: Cmd) -> Cmd {
    cmd.env("PYTHONDONTWRITEBYTECODE", "1")
}

/// The changes in uv's output.
pub(super) fn uv_changes(stderr: &str) -> Vec<Change> {
    stderr.lines().filter_map(uv_change).collect()
}

/// Reads a line such as ` + numpy==1.26.4` of uv's output.
fn uv_change(line: &str) -> Option<Change> {
    let (name, rest) = line.trim().strip_prefix("+ ")?.split_once("==")?;
    let version = rest.split_whitespace().next()?;
    Some(Change { name: crate::facts::python::normalised(name), version: version.to_owned() })
}

/// Reads pip's installation report: <https://pip.pypa.io/en/stable/reference/installation-report/>.
pub(super) fn pip_changes(report: &str) -> Vec<Change> {
    let value: serde_json::Value = serde_json::from_str(report).unwrap_or_default();
    let entries = value.get("install").and_then(serde_json::Value::as_array).into_iter().flatten();
    entries
        .filter_map(|entry| {
            let metadata = entry.get("metadata")?;
            let name = crate::facts::python::normalised(metadata.get("name")?.as_str()?);
            Some(Change { name, version: metadata.get("version")?.as_str()?.to_owned() })
        })
        .collect()
}

/// A path as an argument of a command.
pub(super) fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::python::DistributionSources;

    #[test]
    fn changes_are_read_from_the_output_of_uv() {
        let stderr = "Resolved 2 packages in 3ms\nWould uninstall 1 package\nWould install 1 package\n - numpy==2.1.3\n + numpy==1.26.4\n + x==1.0 (from file:///x.whl)\n";
        let tool = Installer::Uv { program: "uv".into(), cache: "/c".into(), env: Vec::new() };
        let change = |name: &str, version: &str| Change { name: name.into(), version: version.into() };
        assert_eq!(tool.changes("", stderr), [change("numpy", "1.26.4"), change("x", "1.0")]);
    }

    #[test]
    fn the_empty_folder_is_used_for_dry_runs_only() {
        let uv = Installer::Uv { program: "uv".into(), cache: "/c".into(), env: Vec::new() };
        let install = super::super::guard::tests::wanted();
        let request = Request { apart: Some(Path::new("/empty")), ..Request::call(&install, None, true) };
        let has = |cmd: &Cmd, word: &str| cmd.args.iter().any(|arg| arg == word);
        assert!(has(&uv.install(&request.dry()), "/empty") && !has(&uv.install(&request), "/empty"));
        assert!(has(&Installer::Pip.install(&request.dry()), "--ignore-installed"));
    }

    #[test]
    fn entries_without_dependencies_have_a_call_of_their_own() {
        let mut install = super::super::guard::tests::wanted();
        let uv = Installer::Uv { program: "uv".into(), cache: "/c".into(), env: Vec::new() };
        assert_eq!(Request::calls(&install, None).len(), 1);
        install.requirements[1].deps = false;
        for tool in [uv, Installer::Pip] {
            let words = |deps: bool| tool.install(&Request::call(&install, None, deps)).args.join(" ");
            assert!(words(false).contains("--no-deps") && words(false).ends_with("-- oldthing"), "{}", words(false));
            assert!(!words(true).contains("--no-deps") && words(true).ends_with("-- nltk"), "{}", words(true));
        }
        assert_eq!(Request::calls(&install, None).len(), 2);
        install.requirements.remove(0);
        assert!(matches!(Request::calls(&install, None).as_slice(), [call] if !call.deps));
    }

    #[test]
    fn checks_write_no_byte_code_but_installations_may() {
        let install = super::super::guard::tests::wanted();
        let request = Request::call(&install, None, true);
        let uv = Installer::Uv { program: "uv".into(), cache: "/c".into(), env: Vec::new() };
        for tool in [uv, Installer::Pip] {
            let writes = |cmd: &Cmd| !cmd.env.contains_key("PYTHONDONTWRITEBYTECODE");
            assert!(!writes(&tool.install(&request.dry())) && !writes(&tool.check(Path::new("/python"))));
            assert!(writes(&tool.install(&request)));
        }
    }

    #[test]
    fn a_request_of_files_only_uses_no_index() {
        let install = super::super::guard::tests::wanted();
        let alone = PythonInstall {
            only_files: true,
            sources: DistributionSources {
                index_url: Some("https://pypi.example/simple".parse().expect("an address")),
                ..DistributionSources::default()
            },
            ..install.clone()
        };
        let uv = Installer::Uv { program: "uv".into(), cache: "/c".into(), env: Vec::new() };
        for tool in [uv, Installer::Pip] {
            for request in [Request::call(&alone, None, true), Request::call(&alone, None, true).dry()] {
                let args = tool.install(&request).args;
                assert!(["--no-index", "--no-deps"].iter().all(|word| args.iter().any(|arg| arg == word)), "{args:?}");
                assert!(!args.iter().any(|arg| arg.contains("pypi.example")), "{args:?}");
            }
            assert!(!tool.install(&Request::call(&install, None, true)).args.iter().any(|arg| arg == "--no-index"));
        }
    }

    #[test]
    fn a_wheel_is_built_with_the_indexes_of_the_profile() {
        let install = PythonInstall {
            sources: DistributionSources {
                index_url: Some("https://pypi.example/simple".parse().expect("an address")),
                extra_index_urls: vec!["https://more.example/simple".parse().expect("an address")],
                ..DistributionSources::default()
            },
            ..super::super::guard::tests::wanted()
        };
        let line = |tool: &Installer| {
            let cmd = tool.build(&install, Path::new("/a-1.tar.gz"), Path::new("/to"));
            format!("{} {}", cmd.program, cmd.args.join(" "))
        };
        let indexes =
            "--index-url https://pypi.example/simple --extra-index-url https://more.example/simple -- /a-1.tar.gz";
        let uv = Installer::Uv { program: "uv".into(), cache: "/c".into(), env: Vec::new() };
        assert_eq!(
            line(&uv),
            format!("uv build --wheel --no-progress --color never --python /x/bin/python --out-dir /to {indexes}")
        );
        let pip = "/x/bin/python -m pip --disable-pip-version-check --no-color wheel --no-input --progress-bar off";
        assert_eq!(line(&Installer::Pip), format!("{pip} --no-deps --wheel-dir /to {indexes}"));
    }

    #[test]
    fn changes_are_read_from_the_report_of_pip() {
        let report = r#"{"version":"1","install":[{"metadata":{"name":"Scikit_Learn","version":"1.5.0"}}]}"#;
        assert_eq!(
            Installer::Pip.changes(report, ""),
            [Change { name: "scikit-learn".into(), version: "1.5.0".into() }]
        );
    }
}
