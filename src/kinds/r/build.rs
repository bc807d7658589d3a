//! Builds one source package: `R CMD INSTALL` as `install.packages` calls it, in a controlled environment.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use crate::{
    exec::{Cmd, inherited},
    fs,
    kinds::r::RInstall,
    problem::Problem,
    steps::Context,
};

/// The settings that all builds of a step share.
#[derive(Debug)]
pub(super) struct BuildEnvironment {
    program: String,
    library: PathBuf,
    /// All libraries that R searches. The target library is the first.
    search: String,
    makevars: Option<PathBuf>,
    /// The folder of temporary files, with a subfolder for each package.
    temporary: PathBuf,
    logs: PathBuf,
}

impl BuildEnvironment {
    /// Prepares builds into a library.
    pub(super) fn new(ctx: &Context, wanted: &RInstall) -> Result<Self, fs::FsError> {
        let others: BTreeSet<&Path> = wanted.installed.values().map(|found| found.library.as_path()).collect();
        let others = others.into_iter().filter(|&library| library != wanted.library);
        let search: Vec<String> =
            std::iter::once(wanted.library.as_path()).chain(others).map(|path| path.display().to_string()).collect();
        let folder = ctx.cache.join("r");
        let makevars = folder.join("Makevars");
        let users_own = has_user_settings();
        if !users_own {
            fs::replace(&makevars, without_debug_symbols().as_bytes(), fs::Attributes::mode(0o644))?;
        }
        Ok(Self {
            program: wanted.program.display().to_string(),
            library: wanted.library.clone(),
            search: search.join(":"),
            makevars: (!users_own).then_some(makevars),
            temporary: folder.join("build"),
            logs: ctx.logs.clone(),
        })
    }

    /// The folder of temporary files of all packages.
    pub(super) fn folder(&self) -> &Path {
        &self.temporary
    }

    /// The folder of temporary files of a package.
    pub(super) fn temporary(&self, package: &str) -> PathBuf {
        self.temporary.join(package)
    }

    /// The log file for a package's full output.
    pub(super) fn log(&self, package: &str) -> PathBuf {
        self.logs.join(format!("r-{package}.log"))
    }

    /// The command that builds a package.
    pub(super) fn command(&self, package: &str, archive: &Path) -> Cmd {
        let temporary = self.temporary(package);
        let library = self.library.display().to_string();
        let cmd = Cmd::new(&self.program)
            .args(["CMD", "INSTALL", "--pkglock", "-l", &library])
            .arg(archive.display().to_string())
            .env("TMPDIR", temporary.display().to_string())
            .cwd(temporary)
            .log(self.log(package))
            .shares_build_slots();
        self.in_our_environment(cmd)
    }

    /// The command that prints R's build settings.
    pub(super) fn settings(&self) -> Cmd {
        self.in_our_environment(Cmd::new(&self.program).args(["CMD", "config", "--all"]))
    }

    /// The agent's additions to R's build settings. `None` if the user's settings are used instead.
    pub(super) fn added_settings(&self) -> Option<String> {
        self.makevars.is_some().then(without_debug_symbols)
    }

    fn in_our_environment(&self, cmd: Cmd) -> Cmd {
        let cmd = cmd
            .env("R_LIBS", &self.search)
            .env("R_LIBS_USER", self.library.display().to_string())
            // An empty value disables the file: settings in root's home must not affect builds.
            .env("R_ENVIRON_USER", "")
            .env("R_PROFILE_USER", "")
            // English messages, but R code with non-ASCII characters is still read correctly.
            .env("LC_ALL", "C.UTF-8");
        match &self.makevars {
            Some(makevars) => cmd.env("R_MAKEVARS_USER", makevars.display().to_string()),
            None => cmd,
        }
    }
}

#[cfg(test)]
impl BuildEnvironment {
    /// Default settings without any preparation.
    pub(super) fn for_tests() -> Self {
        Self {
            program: "R".to_owned(),
            library: "/nowhere/lib".into(),
            search: String::new(),
            makevars: Some("/nowhere/Makevars".into()),
            temporary: "/nowhere/build".into(),
            logs: "/nowhere/logs".into(),
        }
    }
}

/// Whether an argument of a build command is the archive of this package.
pub(super) fn is_archive_of(path: &str, package: &str) -> bool {
    let file = Path::new(path).file_name().and_then(|file| file.to_str()).unwrap_or_default();
    file.strip_prefix(package).is_some_and(|rest| rest.starts_with(['_', '.']) && rest.contains(".tar"))
}

/// Whether the user has compiler settings that R reads.
fn has_user_settings() -> bool {
    has_makevars(&|name| inherited(name).map(PathBuf::from))
}

/// Checks that R packages built on this node are the same as on other nodes.
pub(in super::super) fn check_can_bake() -> Result<(), Problem> {
    if has_user_settings() {
        let why = "R packages on this node are built with a user's own settings (`Makevars`)";
        return Err(Problem::new("the R layer cannot be made").cause(why));
    }
    Ok(())
}

fn has_makevars(variable: &dyn Fn(&str) -> Option<PathBuf>) -> bool {
    let in_home = |home: PathBuf| {
        let entries = std::fs::read_dir(home.join(".R")).into_iter().flatten().flatten();
        entries.into_iter().any(|entry| entry.file_name().to_string_lossy().starts_with("Makevars"))
    };
    variable("R_MAKEVARS_USER").is_some() || variable("HOME").is_some_and(in_home)
}

/// Settings for `make` without debug symbols. They are not needed on a node, and make stringi ten times larger.
fn without_debug_symbols() -> String {
    let flags = [
        "CFLAGS",
        "C17FLAGS",
        "C23FLAGS",
        "C90FLAGS",
        "C99FLAGS",
        "CXXFLAGS",
        "CXX11FLAGS",
        "CXX14FLAGS",
        "CXX17FLAGS",
        "CXX20FLAGS",
        "CXX23FLAGS",
        "CXX26FLAGS",
        "FFLAGS",
        "FCFLAGS",
        "OBJCFLAGS",
    ];
    flags.map(|name| format!("{name} += -g0 -pipe\n")).concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_archive_belongs_to_exactly_one_package() {
        assert!(is_archive_of("/cache/r/0a/curl_5.0.0.tar.gz", "curl"));
        assert!(is_archive_of("/cache/r/0a/curl.tar.gz", "curl"));
        assert!(!is_archive_of("/cache/r/0a/curlyq_5.0.0.tar.gz", "curl"));
        assert!(!is_archive_of("curl_notes.txt", "curl"));
    }

    #[test]
    fn settings_of_the_user_are_not_changed() {
        let home = tempfile::tempdir().expect("a temporary folder");
        let variable = |name: &str| (name == "HOME").then(|| home.path().to_owned());
        assert!(!has_makevars(&variable));
        fs::replace(&home.path().join(".R/Makevars"), b"", fs::Attributes::default()).expect("written");
        assert!(has_makevars(&variable));
        assert!(has_makevars(&|name| (name == "R_MAKEVARS_USER").then(PathBuf::new)));
    }
}
