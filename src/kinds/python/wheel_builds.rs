//! Builds wheels from the source archives of a lock. Nodes share built wheels through the store. A problem with the
//! store is at most a warning, and the wheel is then built on this node.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use futures::{StreamExt as _, TryStreamExt as _, future::join_all};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value};
use tokio::sync::Semaphore;
use zip::{ZipArchive, result::ZipError};

use super::{
    bytecode::WheelToInstall, cache::cache, index::PipConfig, index_auth, installer::Installer,
    installer_problem::installer_problem, interpreter::Interpreter, locked,
};
use crate::{
    diagnostic::in_words,
    digest::Digest,
    exec::inherited,
    facts::{os::Os, python::WheelName},
    fs::{self, Attributes, FsError, PartialFile},
    kinds::python::PythonInstall,
    lock::LockedDistribution,
    problem::Problem,
    steps::Context,
    steps::{
        blocking::run_blocking,
        compilers,
        logins::Logins,
        scratch::ScratchFolder,
        system_libraries::{LibraryError, LinkedLibraries, SystemLibraries, UnknownLibraries},
        wait_budget::{LEASE, WaitBudget},
    },
    store::{Entry, Key, Kind, Lease, LeaseGuard, StoreError, Visibility},
    task::TaskError,
};

/// The role of a wheel in an entry.
const ROLE: &str = "wheel";
/// The facts of an entry: the wheel's file name, and the libraries that its files link to.
const FILE: &str = "file";
const LINKS: &str = "links";
/// The compilers that builds find on the search path.
const COMPILERS: [&str; 2] = ["cc", "c++"];
/// Environment variables that affect builds of wheels, in addition to those for compilers.
const VARIABLES: [&str; 14] = [
    "ARCHFLAGS",
    "CARGO_BUILD_TARGET",
    "CMAKE_ARGS",
    "CMAKE_GENERATOR",
    "CMAKE_PREFIX_PATH",
    "LD_LIBRARY_PATH",
    "MAKEFLAGS",
    "PIP_CONSTRAINT",
    "RUSTFLAGS",
    "SETUPTOOLS_SCM_PRETEND_VERSION",
    "SETUPTOOLS_USE_DISTUTILS",
    "SKBUILD_CMAKE_ARGS",
    "SKBUILD_CONFIGURE_OPTIONS",
    "UV_BUILD_CONSTRAINT",
];
/// The typical build time in milliseconds, including the download of build dependencies.
const USUAL_COST: u64 = 15_000;

/// The inputs of a wheel's key, as far as they can be known: build dependencies come from the index and are not
/// included.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
struct KeyInputs<'a> {
    /// SHA-256 of the source archive.
    source: &'a str,
    interpreter: &'a Interpreter,
    /// Operating system and release, such as `debian 12`.
    os: String,
    arch: &'static str,
    compilers: &'a BTreeMap<String, String>,
    variables: &'a BTreeMap<String, String>,
}

/// With trusted keys, source builds are refused: the signature of the archive does not cover its build dependencies.
pub(super) fn check_source_builds_allowed(ctx: &Context, files: &[LockedDistribution]) -> Result<(), Problem> {
    let source = files.iter().find(|file| file.is_source()).filter(|_| ctx.filestore.trusted().is_on());
    let Some(file) = source else { return Ok(()) };
    let refused = Problem::refused(format!("`{}` is locked as a source archive, `{}`", file.name, file.file));
    let refused = refused.cause("its build dependencies would come from an index without a signature");
    Err(refused
        .hint("build a wheel, and put it into the file store (list it under `[wheel]`) or into an index".to_owned()))
}

/// A wheel that was built from a source archive or taken from the store.
#[derive(Debug)]
pub(super) struct BuiltWheel {
    /// The name of the distribution.
    pub(super) name: String,
    /// The path of the wheel.
    pub(super) path: PathBuf,
    reach: Visibility,
    /// Keeps the folder of the wheel.
    _scratch: Arc<ScratchFolder>,
}

/// Builds the wheels of a step.
#[derive(Clone, Copy)]
pub(super) struct WheelBuilder<'a> {
    pub(super) ctx: &'a Context,
    pub(super) tool: &'a Installer,
    pub(super) wanted: &'a PythonInstall,
    pub(super) config: &'a PipConfig,
    pub(super) interpreter: Option<&'a Interpreter>,
}

impl WheelBuilder<'_> {
    /// The wheels of source archives, from the store or built on this node. Waits for builds of other nodes last.
    pub(super) async fn wheels(&self, sources: &[(&LockedDistribution, PathBuf)]) -> Result<Vec<BuiltWheel>, Problem> {
        if sources.is_empty() {
            return Ok(Vec::new());
        }
        let scratch = Arc::new(ScratchFolder::below(&cache(self.ctx).join("built")));
        let (keys, root) = (self.keys(sources).await, self.ctx.root.clone());
        // Read now, because the packages that wheels link to are installed by now.
        let libraries = run_blocking(move || Ok::<_, TaskError>(SystemLibraries::read(&root, None))).await;
        let unread = |error| Problem::new("dpkg's files could not be read").because(&error);
        let libraries = Arc::new(libraries.map_err(unread)?);
        let slots = Semaphore::new(self.ctx.cores);
        let maker = |((file, archive), key)| WheelBuild {
            site: *self,
            file,
            archive,
            key,
            scratch: &scratch,
            libraries: &libraries,
            slots: &slots,
            unusable: Mutex::default(),
        };
        let makers: Vec<WheelBuild<'_>> =
            sources.iter().map(|(file, path)| (*file, &**path)).zip(keys).map(maker).collect();
        let ours = futures::stream::iter(makers.iter().map(WheelBuild::take_or_build)).buffered(self.ctx.cores);
        let ours: Vec<Option<BuiltWheel>> = ours.try_collect().await?;
        let all = makers.iter().zip(ours).map(async |(maker, built)| match built {
            Some(built) => Ok(built),
            None => maker.wait_for_peer().await,
        });
        join_all(all).await.into_iter().collect()
    }

    /// The keys and visibilities of all builds. `None` if builds are not stored.
    async fn keys(&self, sources: &[(&LockedDistribution, PathBuf)]) -> Vec<Option<(Key, Visibility)>> {
        let ctx = self.ctx;
        let Some(interpreter) = self.interpreter.filter(|_| ctx.store.keeps()) else {
            return sources.iter().map(|_| None).collect();
        };
        let mut called = BTreeMap::new();
        for name in COMPILERS {
            called.insert(name.to_owned(), compilers::version_line(ctx, name).await);
        }
        let variables = compilers::variables(&VARIABLES, inherited);
        let os = Os::parse(&std::fs::read_to_string(ctx.on_node("/etc/os-release")).unwrap_or_default());
        // Build dependencies from a private index make the wheel private.
        let named = self.wanted.sources.index_url.iter().chain(&self.wanted.sources.extra_index_urls).cloned();
        let is_private = named.chain(self.config.indexes()).any(|url| ctx.http.has_login(&url));
        let key = |file: &LockedDistribution| {
            let decides = KeyInputs {
                source: file.sha256.hex(),
                interpreter,
                os: format!("{} {}", os.id, os.version),
                arch: std::env::consts::ARCH,
                compilers: &called,
                variables: &variables,
            };
            let reach = if is_private { Visibility::NodeOnly } else { locked::reach(ctx, self.config, file) };
            (Key::of(Kind::Wheel, &decides), reach)
        };
        sources.iter().map(|(file, _)| Some(key(file))).collect()
    }
}

/// The build of one wheel.
struct WheelBuild<'a> {
    site: WheelBuilder<'a>,
    file: &'a LockedDistribution,
    archive: &'a Path,
    key: Option<(Key, Visibility)>,
    scratch: &'a Arc<ScratchFolder>,
    libraries: &'a Arc<SystemLibraries>,
    /// Limits the number of simultaneous builds.
    slots: &'a Semaphore,
    /// Digests of objects that were missing or not valid wheels.
    unusable: Mutex<BTreeSet<String>>,
}

impl WheelBuild<'_> {
    /// Takes the wheel from the store or builds it. `None` if another node is building it.
    async fn take_or_build(&self) -> Result<Option<BuiltWheel>, Problem> {
        let Some((key, reach)) = &self.key else { return self.build(None).await.map(Some) };
        if let Some(path) = self.download_stored().await {
            return Ok(Some(self.built(path)));
        }
        if *reach == Visibility::NodeOnly {
            return self.build(None).await.map(Some);
        }
        match self.site.ctx.store.lease(key, LEASE).await {
            Lease::Held { .. } => Ok(None),
            Lease::Taken(guard) => match self.download_stored().await {
                // The previous holder of the lease may have published it just now.
                Some(path) => Ok(Some(self.built(path))),
                None => self.build(Some(guard)).await.map(Some),
            },
        }
    }

    /// Waits for the other node, and builds the wheel if that node does not publish it in time.
    async fn wait_for_peer(&self) -> Result<BuiltWheel, Problem> {
        let (ctx, budget) = (self.site.ctx, WaitBudget::new(USUAL_COST, self.site.ctx.cores));
        while let Some((key, _)) = self.key.as_ref().filter(|_| !budget.is_exhausted()) {
            let started = Timestamp::now();
            budget.wait(&ctx.store, (Kind::Wheel, key), |entry| self.fits(entry).is_some()).await;
            let task = format!("wait for {}, which another node builds", self.file.name);
            ctx.progress.task_finished(task, started, true);
            if let Some(built) = self.take_or_build().await? {
                return Ok(built);
            }
        }
        self.build(None).await
    }

    fn built(&self, path: PathBuf) -> BuiltWheel {
        let reach = self.key.as_ref().map_or(Visibility::NodeOnly, |(_, reach)| *reach);
        BuiltWheel { name: self.file.name.clone(), path, reach, _scratch: Arc::clone(self.scratch) }
    }

    /// Downloads the wheel from the store.
    async fn download_stored(&self) -> Option<PathBuf> {
        let (ctx, name) = (self.site.ctx, &self.file.name);
        let (key, reach) = self.key.as_ref()?;
        for &which in reach.tiers() {
            let Some(entry) = ctx.store.entry_in(which, Kind::Wheel, key).await else { continue };
            let (Some(file), Some(member)) = (self.fits(&entry), entry.object(ROLE)) else { continue };
            let (to, started) = (self.folder().join(file), Timestamp::now());
            if ctx.store.object(&member.digest(), Some(member.size), &to, |_| ()).await {
                let also = to.clone();
                match run_blocking(move || is_wheel(&also)).await {
                    Ok(()) => {
                        ctx.progress.task_finished(format!("take {name} from the store"), started, true);
                        return Some(to);
                    }
                    Err(error) => {
                        let why = in_words(&error);
                        ctx.progress.warn(format!("the wheel of `{name}` in the store is not used: {why}"));
                    }
                }
            }
            self.unusable.lock().unwrap_or_else(PoisonError::into_inner).insert(member.sha256.clone());
        }
        None
    }

    /// The file name of an entry's wheel, if it belongs to this distribution and the node has the libraries that it
    /// links to.
    fn fits<'e>(&self, entry: &'e Entry) -> Option<&'e str> {
        let (name, links) = facts(entry, &self.file.name, &self.file.version)?;
        let member = entry.object(ROLE)?;
        let is_of_use = !self.unusable.lock().unwrap_or_else(PoisonError::into_inner).contains(&member.sha256);
        (is_of_use && self.libraries.fits(&links)).then_some(name)
    }

    /// Builds the wheel. It is published immediately, because other nodes wait for it.
    async fn build(&self, guard: Option<LeaseGuard>) -> Result<BuiltWheel, Problem> {
        let WheelBuilder { ctx, tool, wanted, .. } = self.site;
        let (folder, name) = (self.folder(), &self.file.name);
        let _slot = self.slots.acquire().await;
        // The folder may contain an unusable wheel from the store.
        fs::remove_tree(&folder)?;
        fs::create_dirs(&folder, 0o755)?;
        ctx.progress.now(format!("building {name}"), None);
        let cmd = index_auth::with_logins(ctx, tool.build(wanted, self.archive, &folder))?
            .log(ctx.logs.join(wanted.own_file("pip.log")));
        let started = Timestamp::now();
        let done = ctx.runner.run(&cmd).await.and_then(|done| done.ok(&cmd));
        ctx.progress.task_finished(format!("build {name}"), started, done.is_ok());
        let failed = format!("`{name}` could not be built from its source archive");
        if let Err(error) = done {
            return Err(installer_problem(ctx, wanted, &failed, &error).await);
        }
        let mut entries = std::fs::read_dir(&folder).into_iter().flatten().flatten().map(|entry| entry.path());
        let is_it = |path: &PathBuf| {
            let file = path.file_name().and_then(|file| file.to_str());
            file.is_some_and(|file| is_wheel_of(file, name, &self.file.version))
        };
        let none = "the build succeeded but made no wheel of that name and version";
        let path = entries.find(is_it).ok_or_else(|| Problem::new(failed).cause(none))?;
        let built = self.built(path);
        self.keep(&built, guard);
        Ok(built)
    }

    /// Publishes a new wheel in the background.
    fn keep(&self, built: &BuiltWheel, guard: Option<LeaseGuard>) {
        let Some((key, reach)) = self.key.clone() else { return };
        // Background work gets no logins, so that passwords do not outlive the run.
        let ctx = Context { logins: Logins::default(), ..self.site.ctx.clone() };
        let (libraries, scratch) = (Arc::clone(self.libraries), Arc::clone(self.scratch));
        let (name, path, into) = (self.file.name.clone(), built.path.clone(), self.folder().join("libraries"));
        self.site.ctx.store.spawn_background(async move {
            let (also, store) = (path.clone(), ctx.store.clone());
            let kept = async {
                let links = run_blocking(move || links(&libraries, &also, &into)).await?;
                let links = serde_json::to_value(links)?;
                let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
                let facts = Map::from_iter([(FILE.to_owned(), Value::String(file)), (LINKS.to_owned(), links)]);
                let published = store.publish_file((Kind::Wheel, &key), ROLE, &path, facts, reach).await;
                Ok::<_, WheelError>(published?)
            };
            if let Err(error) = kept.await {
                let why = in_words(&error);
                ctx.progress.warn(format!("the wheel of `{name}` was not stored: {why}"));
            }
            drop((guard, scratch));
        });
    }

    /// The folder of this wheel.
    fn folder(&self) -> PathBuf {
        self.scratch.path().join(self.file.sha256.hex())
    }
}

/// The file name of an entry's wheel and the libraries that it links to. An entry may contain any values, so the name
/// is checked.
fn facts<'e>(entry: &'e Entry, distribution: &str, version: &str) -> Option<(&'e str, LinkedLibraries)> {
    let name = entry.facts.get(FILE)?.as_str().filter(|name| is_wheel_of(name, distribution, version))?;
    Some((name, serde_json::from_value(entry.facts.get(LINKS)?.clone()).ok()?))
}

/// Whether a file name is that of a wheel of this distribution and version, without a path.
fn is_wheel_of(file: &str, distribution: &str, version: &str) -> bool {
    let is_version = |found: &str| {
        let same = |(one, other): (pep440_rs::Version, pep440_rs::Version)| one == other;
        found == version || found.parse().ok().zip(version.parse().ok()).is_some_and(same)
    };
    let wheel = WheelName::parse(file).filter(|_| !file.contains('/'));
    wheel.is_some_and(|wheel| wheel.name == distribution && is_version(&wheel.version))
}

/// Why a wheel cannot be used or stored.
#[derive(Debug, thiserror::Error)]
enum WheelError {
    #[error(transparent)]
    Unreadable(#[from] io::Error),
    #[error(transparent)]
    Archive(#[from] ZipError),
    #[error("it has no metadata")]
    NoMetadata,
    #[error("it contains a path outside its folder")]
    PathOutside,
    #[error(transparent)]
    Libraries(#[from] LibraryError),
    #[error(transparent)]
    Facts(#[from] serde_json::Error),
    #[error(transparent)]
    Files(#[from] FsError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("a worker thread failed")]
    Thread(#[from] TaskError),
}

/// Checks that a file is a wheel.
fn is_wheel(path: &Path) -> Result<(), WheelError> {
    let archive = ZipArchive::new(File::open(path)?)?;
    let mut names = archive.file_names().filter_map(Result::ok);
    let has_metadata = names.any(|name| name.ends_with(".dist-info/METADATA"));
    has_metadata.then_some(()).ok_or(WheelError::NoMetadata)
}

/// The libraries that a wheel's shared objects link to. They are unpacked into a folder to be read.
fn links(libraries: &SystemLibraries, wheel: &Path, into: &Path) -> Result<LinkedLibraries, WheelError> {
    let mut archive = ZipArchive::new(File::open(wheel)?)?;
    let mut objects = Vec::new();
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index)?;
        let Some(name) = entry.enclosed_name() else { return Err(WheelError::PathOutside) };
        let file = name.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if entry.is_dir() || !(file.ends_with(".so") || file.contains(".so.")) {
            continue;
        }
        let path = into.join(index.to_string()).join(file);
        let mut partial = PartialFile::create(&path, Attributes::mode(0o600))?;
        io::copy(&mut entry, &mut partial)?;
        partial.commit_unsynced()?;
        objects.push(path);
    }
    Ok(libraries.links_of(&objects, UnknownLibraries::Refuse)?)
}

/// Built wheels as wheels to install.
pub(super) async fn to_install(built: &[BuiltWheel]) -> Vec<WheelToInstall> {
    let built: Vec<_> = built.iter().map(|one| (one.name.clone(), one.path.clone(), one.reach)).collect();
    let reading = move || {
        let wheel = |(name, path, reach): (String, PathBuf, Visibility)| {
            let sha256 = Digest::sha256_of_file(&path).ok()?.hex().to_owned();
            Some(WheelToInstall { name, sha256, reach })
        };
        Ok::<_, TaskError>(built.into_iter().filter_map(wheel).collect())
    };
    run_blocking(reading).await.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_entry_cannot_name_another_path_or_distribution() {
        let entry = |file: &str| {
            let facts = json!({ FILE: file, LINKS: { "packages": {}, "files": {} } });
            Entry::new(Kind::Wheel, Vec::new(), facts.as_object().expect("an object").clone())
        };
        let name = |file: &str| facts(&entry(file), "doc-opt", "1.0").map(|(name, _)| name.to_owned());
        for file in ["doc_opt-1.0-py3-none-any.whl", "doc_opt-1-py3-none-any.whl"] {
            assert_eq!(name(file).as_deref(), Some(file));
        }
        for file in [
            "doc_opt-2-py3-none-any.whl",
            "other-1.0-py3-none-any.whl",
            "../doc_opt-1.0-py3-none-any.whl",
            "/doc_opt-1.0-py3-none-any.whl",
            "doc_opt-1.0.tar.gz",
            "",
        ] {
            assert_eq!(name(file), None, "{file}");
        }
        assert_eq!(facts(&Entry::new(Kind::Wheel, Vec::new(), Map::new()), "doc-opt", "1.0"), None);
    }

    #[test]
    fn an_invalid_wheel_is_refused() {
        let temp = tempfile::tempdir().expect("a temporary folder");
        let path = temp.path().join("x.whl");
        fs::replace(&path, b"no archive", Attributes::default()).expect("written");
        assert!(is_wheel(&path).is_err());
        let mut archive = zip::ZipWriter::new(io::Cursor::new(Vec::new()));
        archive.start_file("x.py", zip::write::SimpleFileOptions::default()).expect("begun");
        fs::replace(&path, archive.finish().expect("written").get_ref(), Attributes::default()).expect("written");
        assert!(matches!(is_wheel(&path), Err(WheelError::NoMetadata)));
    }
}
