//! The two installers, uv and pip, asked for the same thing in their own words.

use std::path::{Path, PathBuf};

use super::text;
use crate::{exec::Cmd, plan::PythonInstall};

/// An installer of Python distributions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Installer {
    /// uv, a program of its own.
    Uv {
        program: PathBuf,
        /// Where it keeps downloads.
        cache: PathBuf,
        /// What the node's pip is configured to, translated for uv.
        env: Vec<(String, String)>,
    },
    /// The environment's own pip.
    Pip,
}

/// What to ask an installer for: all of an action, or one part of it.
#[derive(Debug, Clone)]
pub(super) struct Request<'a> {
    pub(super) install: &'a PythonInstall,
    pub(super) constraints: Option<&'a Path>,
    pub(super) requirements: Vec<&'a str>,
    pub(super) files: Vec<&'a Path>,
    pub(super) wheels: Vec<&'a Path>,
    pub(super) dry: bool,
    /// An empty folder to resolve for when the environment's own state cannot be read by the installer.
    pub(super) apart: Option<&'a Path>,
}

impl<'a> Request<'a> {
    pub(super) fn all(install: &'a PythonInstall, constraints: Option<&'a Path>) -> Self {
        Self {
            install,
            constraints,
            requirements: install.requirements.iter().map(|requirement| requirement.text.as_str()).collect(),
            files: install.requirement_files.iter().map(PathBuf::as_path).collect(),
            wheels: install.wheels.iter().map(|wheel| wheel.path.as_path()).collect(),
            dry: false,
            apart: None,
        }
    }

    /// The same, only resolved.
    pub(super) fn dry(&self) -> Self {
        Self { dry: true, ..self.clone() }
    }
}

/// A distribution that an installation would change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Change {
    /// Normalised name.
    pub(super) name: String,
    /// The version it would have.
    pub(super) version: String,
}

impl Installer {
    /// The command that installs, or only resolves.
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
            cmd = leaving_no_trace(cmd);
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
            // A wheel may need another by an address of its own: that one is not asked for either.
            cmd = cmd.args(["--no-index", "--no-deps"]);
        } else {
            cmd = with_indexes(cmd, install);
        }
        if let Some(constraints) = request.constraints {
            cmd = cmd.arg("--constraint").arg(text(constraints));
        }
        for file in &request.files {
            cmd = cmd.arg("--requirement").arg(text(file));
        }
        cmd.arg("--").args(request.requirements.iter().copied()).args(request.wheels.iter().map(|wheel| text(wheel)))
    }

    /// The command that installs the wheels of a lock: by name and version out of a folder that holds them and nothing
    /// else, so that they look as if they came from an index. The profile's own wheels go along by their files.
    pub(super) fn install_locked(&self, install: &PythonInstall, names: &[String], links: &Path, compile: bool) -> Cmd {
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
        let cmd = cmd.args(["--no-deps", "--no-index", "--find-links"]).arg(text(links)).arg("--");
        cmd.args(names).args(install.wheels.iter().map(|wheel| text(&wheel.path)))
    }

    /// The command that makes a wheel of a source archive, in a folder. What it is built with comes from the index.
    pub(super) fn build(&self, install: &PythonInstall, archive: &Path, to: &Path) -> Cmd {
        let cmd = match self {
            Self::Uv { .. } => self.uv(&["build", "--wheel"], &install.interpreter).arg("--out-dir"),
            Self::Pip => {
                let cmd = pip("wheel", &install.interpreter).args(["--no-input", "--progress-bar", "off"]);
                cmd.args(["--no-deps", "--wheel-dir"])
            }
        };
        with_indexes(cmd.arg(text(to)), install).arg("--").arg(text(archive))
    }

    /// The command that checks whether the installed distributions fit together.
    pub(super) fn check(&self, interpreter: &Path) -> Cmd {
        match self {
            Self::Uv { .. } => leaving_no_trace(self.uv(&["pip", "check"], interpreter)),
            Self::Pip => leaving_no_trace(pip("check", interpreter)),
        }
    }

    /// What a dry run said it would install.
    pub(super) fn changes(&self, stdout: &str, stderr: &str) -> Vec<Change> {
        match self {
            Self::Uv { .. } => stderr.lines().filter_map(uv_change).collect(),
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

/// The profile's own indexes.
fn with_indexes(cmd: Cmd, install: &PythonInstall) -> Cmd {
    let first = install.index_url.iter().map(|url| ["--index-url", url.as_str()]);
    let further = install.extra_index_urls.iter().map(|url| ["--extra-index-url", url.as_str()]);
    first.chain(further).fold(cmd, Cmd::args)
}

fn pip(verb: &str, interpreter: &Path) -> Cmd {
    Cmd::new(text(interpreter)).args(["-m", "pip", "--disable-pip-version-check", "--no-color", verb]).cwd("/")
}

/// A look must change nothing: Python would write anew what it takes for stale bytecode, its installer's own too.
pub(super) fn leaving_no_trace(cmd: Cmd) -> Cmd {
    cmd.env("PYTHONDONTWRITEBYTECODE", "1")
}

/// ` + numpy==1.26.4` in uv's output.
fn uv_change(line: &str) -> Option<Change> {
    let (name, rest) = line.trim().strip_prefix("+ ")?.split_once("==")?;
    let version = rest.split_whitespace().next()?;
    Some(Change { name: crate::facts::python::normalised(name), version: version.to_owned() })
}

/// pip's installation report: <https://pip.pypa.io/en/stable/reference/installation-report/>.
fn pip_changes(report: &str) -> Vec<Change> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_change_lines_of_uv_are_read() {
        let stderr = "Resolved 2 packages in 3ms\nWould uninstall 1 package\nWould install 1 package\n - numpy==2.1.3\n + numpy==1.26.4\n + x==1.0 (from file:///x.whl)\n";
        let tool = Installer::Uv { program: "uv".into(), cache: "/c".into(), env: Vec::new() };
        let change = |name: &str, version: &str| Change { name: name.into(), version: version.into() };
        assert_eq!(tool.changes("", stderr), [change("numpy", "1.26.4"), change("x", "1.0")]);
    }

    #[test]
    fn an_environment_that_cannot_be_read_is_resolved_for_but_not_installed_to_apart() {
        let uv = Installer::Uv { program: "uv".into(), cache: "/c".into(), env: Vec::new() };
        let install = super::super::guard::tests::wanted();
        let request = Request { apart: Some(Path::new("/empty")), ..Request::all(&install, None) };
        let has = |cmd: &Cmd, word: &str| cmd.args.iter().any(|arg| arg == word);
        assert!(has(&uv.install(&request.dry()), "/empty") && !has(&uv.install(&request), "/empty"));
        assert!(has(&Installer::Pip.install(&request.dry()), "--ignore-installed"));
    }

    #[test]
    fn a_look_writes_no_bytecode_and_an_installation_may() {
        let install = super::super::guard::tests::wanted();
        let request = Request::all(&install, None);
        let uv = Installer::Uv { program: "uv".into(), cache: "/c".into(), env: Vec::new() };
        for tool in [uv, Installer::Pip] {
            let writes = |cmd: &Cmd| !cmd.env.contains_key("PYTHONDONTWRITEBYTECODE");
            assert!(!writes(&tool.install(&request.dry())) && !writes(&tool.check(Path::new("/python"))));
            assert!(writes(&tool.install(&request)));
        }
    }

    #[test]
    fn where_only_files_count_no_index_is_asked() {
        let install = super::super::guard::tests::wanted();
        let alone = PythonInstall {
            only_files: true,
            index_url: Some("https://pypi.example/simple".parse().expect("an address")),
            ..install.clone()
        };
        let uv = Installer::Uv { program: "uv".into(), cache: "/c".into(), env: Vec::new() };
        for tool in [uv, Installer::Pip] {
            for request in [Request::all(&alone, None), Request::all(&alone, None).dry()] {
                let args = tool.install(&request).args;
                assert!(["--no-index", "--no-deps"].iter().all(|word| args.iter().any(|arg| arg == word)), "{args:?}");
                assert!(!args.iter().any(|arg| arg.contains("pypi.example")), "{args:?}");
            }
            assert!(!tool.install(&Request::all(&install, None)).args.iter().any(|arg| arg == "--no-index"));
        }
    }

    #[test]
    fn a_wheel_is_built_alone_with_what_the_profiles_indexes_have() {
        let install = PythonInstall {
            index_url: Some("https://pypi.example/simple".parse().expect("an address")),
            extra_index_urls: vec!["https://more.example/simple".parse().expect("an address")],
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
    fn the_report_of_pip_is_read() {
        let report = r#"{"version":"1","install":[{"metadata":{"name":"Scikit_Learn","version":"1.5.0"}}]}"#;
        assert_eq!(
            Installer::Pip.changes(report, ""),
            [Change { name: "scikit-learn".into(), version: "1.5.0".into() }]
        );
    }
}
