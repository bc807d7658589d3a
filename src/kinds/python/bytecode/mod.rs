//! Shares compiled byte code between nodes through the store. A problem with the store is at most a warning, and the
//! modules are then compiled on this node.

mod archive;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use futures::{StreamExt as _, future::join_all};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Map;
use zstd::zstd_safe::DCtx;

use self::archive::{Modules, RestoreError};
use super::{cache::cache, installer::text, interpreter::Interpreter};
use crate::{
    diagnostic::in_words,
    exec::{Cmd, ExecError},
    facts::{
        PythonEnv,
        python::{Distribution, PythonError},
    },
    fs::{self, Attributes, FsError},
    kinds::python::PythonInstall,
    report::text::counted,
    steps::Context,
    steps::{blocking::run_blocking, logins::Logins, scratch::ScratchFolder},
    store::{Key, Kind, StoreError, Visibility},
    task::TaskError,
};

/// The role of packed byte code in an entry.
const ROLE: &str = "byte-code";
/// The number of archives that are downloaded ahead, in addition to one per core.
const AHEAD: usize = 4;
/// Compiles the modules listed in a file, on the given number of cores, or in one process if a pool cannot be
/// created. Modules that cannot be compiled are skipped, because some are for other Python versions. The byte code is
/// timestamp-based, whatever the environment says.
pub(super) const COMPILE: &str = "import compileall, functools, py_compile, sys
with open(sys.argv[1]) as file: names = file.read().splitlines()
compiling = functools.partial(
    compileall.compile_file, quiet=2, invalidation_mode=py_compile.PycInvalidationMode.TIMESTAMP)
try:
    from concurrent.futures import ProcessPoolExecutor
    with ProcessPoolExecutor(int(sys.argv[2])) as pool: list(pool.map(compiling, names, chunksize=32))
except Exception:
    list(map(compiling, names))
";

/// The inputs of the key of a wheel's byte code.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
struct KeyInputs<'a> {
    /// SHA-256 of the wheel.
    wheel: &'a str,
    /// The interpreter and the folder of the modules. Byte code contains their paths.
    interpreter: &'a Interpreter,
}

/// A wheel that will be installed.
#[derive(Debug)]
pub(super) struct WheelToInstall {
    /// The name of the distribution.
    pub(super) name: String,
    /// SHA-256 of the wheel.
    pub(super) sha256: String,
    /// The visibility of artifacts made from it.
    pub(super) reach: Visibility,
}

/// The byte code of wheels. Empty if byte code is not wanted or cannot be stored.
#[derive(Debug, Default)]
pub(super) struct ByteCode {
    wheels: BTreeMap<String, Wheel>,
    /// The folder of downloaded archives.
    scratch: Option<ScratchFolder>,
}

/// A wheel and the key of its byte code.
#[derive(Debug)]
struct Wheel {
    key: Key,
    reach: Visibility,
    found: StoredByteCode,
}

/// The byte code that the store has for a wheel.
#[derive(Debug, PartialEq, Eq)]
enum StoredByteCode {
    Missing,
    /// A downloaded archive.
    Archive(PathBuf),
    /// The store's archive is missing or invalid.
    Unusable,
}

/// Why byte code could not be restored, compiled or stored.
#[derive(Debug, thiserror::Error)]
enum ByteCodeError {
    #[error(transparent)]
    Environment(#[from] PythonError),
    #[error(transparent)]
    Files(#[from] FsError),
    #[error(transparent)]
    Program(#[from] ExecError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("a worker thread failed")]
    Thread(#[from] TaskError),
}

/// A distribution's folder and its modules.
type Installed = (PathBuf, Modules);

impl ByteCode {
    /// Downloads the stored byte code of wheels that will be installed.
    pub(super) async fn load(
        ctx: &Context,
        wanted: &PythonInstall,
        interpreter: Option<&Interpreter>,
        wheels: Vec<WheelToInstall>,
    ) -> Self {
        let Some(interpreter) = interpreter.filter(|_| wanted.compile && ctx.store.keeps()) else {
            return Self::default();
        };
        let scratch = ScratchFolder::below(&cache(ctx).join("byte-code"));
        let looking = wheels.into_iter().map(|WheelToInstall { name, sha256, reach }| {
            let key = Key::of(Kind::ByteCode, &KeyInputs { wheel: &sha256, interpreter });
            let to = scratch.path().join(format!("{}.tar.zst", key.hex()));
            async move {
                let found = fetch(ctx, &key, reach, to).await;
                (name, Wheel { key, reach, found })
            }
        });
        let looking = futures::stream::iter(looking.collect::<Vec<_>>());
        Self { wheels: looking.buffer_unordered(ctx.cores + AHEAD).collect().await, scratch: Some(scratch) }
    }

    /// Whether the store has any. The installer then does not compile.
    pub(super) fn has_any(&self) -> bool {
        self.wheels.values().any(|wheel| matches!(wheel.found, StoredByteCode::Archive(_)))
    }

    /// Restores the downloaded byte code of installed distributions and compiles the rest.
    pub(super) async fn complete(&mut self, ctx: &Context, wanted: &PythonInstall, names: &[String]) {
        let all = match installed(wanted, names).await {
            Ok(all) => all,
            Err(error) => return ctx.progress.warn(format!("byte code cannot be restored: {}", in_words(&error))),
        };
        let done = self.restore_all(ctx, &all).await;
        let rest = all.iter().filter(|(name, _)| !done.contains(*name));
        let rest: Vec<PathBuf> =
            rest.flat_map(|(_, (below, of))| of.values().map(|module| below.join(&module.path))).collect();
        if !rest.is_empty() {
            self.compile(ctx, wanted, &rest).await;
        }
    }

    /// Restores the downloaded byte code on all cores. Returns the distributions that are complete.
    async fn restore_all(&mut self, ctx: &Context, all: &BTreeMap<String, Installed>) -> BTreeSet<String> {
        let started = Timestamp::now();
        let archives = self.wheels.iter().filter_map(|(name, wheel)| match &wheel.found {
            StoredByteCode::Archive(archive) => Some((name.clone(), archive.clone(), all.get(name)?.clone())),
            StoredByteCode::Missing | StoredByteCode::Unusable => None,
        });
        let queue = Arc::new(RestoreQueue { left: Mutex::new(archives.collect()), cancelled: AtomicBool::new(false) });
        let _guard = CancelOnDrop(&queue);
        let workers = (0..ctx.cores).map(|_| {
            let queue = Arc::clone(&queue);
            run_blocking(move || Ok::<_, TaskError>(queue.restore_all()))
        });
        let mut done = BTreeSet::new();
        for (name, put) in join_all(workers).await.into_iter().flatten().flatten() {
            match put {
                Ok(()) => {
                    done.insert(name);
                }
                Err((found, error)) => {
                    let why = in_words(&error);
                    ctx.progress.warn(format!("the byte code of `{name}` in the store is not used: {why}"));
                    if let Some(wheel) = self.wheels.get_mut(&name) {
                        wheel.found = found;
                    }
                }
            }
        }
        // Restored byte code is already in the store.
        self.wheels.retain(|name, _| !done.contains(name));
        if !done.is_empty() {
            let task = format!("unpack byte code of {}", counted(done.len(), "wheel"));
            ctx.progress.task_finished(task, started, true);
        }
        done
    }

    async fn compile(&self, ctx: &Context, wanted: &PythonInstall, modules: &[PathBuf]) {
        let Some(scratch) = &self.scratch else { return };
        let started = Timestamp::now();
        ctx.progress.now(format!("compiling {}", counted(modules.len(), "module")), None);
        let list = scratch.path().join("modules.txt");
        let names: Vec<String> = modules.iter().map(|module| format!("{}\n", module.display())).collect();
        let cmd = Cmd::new(text(&wanted.interpreter)).args(["-c", COMPILE]).arg(text(&list)).arg(ctx.cores.to_string());
        let cmd = cmd.cwd("/").log(ctx.logs.join("pip.log"));
        let compiled = match fs::replace(&list, names.concat().as_bytes(), Attributes::mode(0o644)) {
            Ok(()) => {
                let done = ctx.runner.run(&cmd).await.and_then(|done| done.ok(&cmd));
                done.map(drop).map_err(ByteCodeError::from)
            }
            Err(error) => Err(error.into()),
        };
        ctx.progress.task_finished("compile", started, compiled.is_ok());
        if let Err(error) = compiled {
            let why = in_words(&error);
            ctx.progress.warn(format!("modules could not be compiled, so their first import takes longer: {why}"));
        }
    }

    /// Publishes newly compiled byte code in the background.
    pub(super) fn keep(self, ctx: &Context, wanted: &PythonInstall) {
        let Some(scratch) = self.scratch.filter(|_| !self.wheels.is_empty()) else { return };
        // Background work gets no logins, so that passwords do not outlive the run.
        let ctx = Context { logins: Logins::default(), ..ctx.clone() };
        let (also, wanted, wheels, scratch) = (ctx.store.clone(), wanted.clone(), self.wheels, Arc::new(scratch));
        also.spawn_background(async move {
            let names: Vec<String> = wheels.keys().cloned().collect();
            let Ok(mut all) = installed(&wanted, &names).await else { return };
            // One at a time, because packing needs memory and is not urgent.
            for (name, wheel) in wheels {
                let Some((below, modules)) = all.remove(&name) else { continue };
                if is_kept(&ctx, &wheel).await {
                    continue;
                }
                let (to, also) = (scratch.path().join("new.tar.zst"), Arc::clone(&scratch));
                let packing = move || {
                    let to = also.path().join("new.tar.zst");
                    archive::pack(&below, &modules, &to).map_err(ByteCodeError::from)
                };
                let kept = match run_blocking(packing).await {
                    Ok(false) => Ok(()),
                    Ok(true) => publish(&ctx, &wheel, &to).await,
                    Err(error) => Err(error),
                };
                if let Err(error) = kept {
                    let why = in_words(&error);
                    ctx.progress.warn(format!("the byte code of `{name}` was not stored: {why}"));
                }
            }
        });
    }
}

/// A distribution, and the result of restoring its byte code. The error has the state of the stored byte code and the
/// reason.
type RestoreOutcome = (String, Result<(), (StoredByteCode, FsError)>);

/// The archives to restore.
struct RestoreQueue {
    left: Mutex<Vec<(String, PathBuf, Installed)>>,
    /// Set when the step no longer waits for the result.
    cancelled: AtomicBool,
}

impl RestoreQueue {
    /// Restores archives until the queue is empty. All of them share one decompression context.
    fn restore_all(&self) -> Vec<RestoreOutcome> {
        let (mut context, mut done) = (DCtx::create(), Vec::new());
        loop {
            let next = self.left.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let Some((name, archive, (below, modules))) = next else { return done };
            let put =
                archive::restore(&archive, (&below, &modules), &mut context, || self.cancelled.load(Ordering::Relaxed));
            let _ = fs::remove(&archive);
            let put = put.map_err(|fault| match fault {
                RestoreError::Archive(error) => (StoredByteCode::Unusable, error),
                RestoreError::Node(error) => (StoredByteCode::Missing, error),
            });
            done.push((name, put));
        }
    }
}

/// Cancels the queue when dropped.
struct CancelOnDrop<'a>(&'a RestoreQueue);

impl Drop for CancelOnDrop<'_> {
    fn drop(&mut self) {
        self.0.cancelled.store(true, Ordering::Relaxed);
    }
}

/// Downloads packed byte code to `to`.
async fn fetch(ctx: &Context, key: &Key, reach: Visibility, to: PathBuf) -> StoredByteCode {
    let mut found = StoredByteCode::Missing;
    for &which in reach.tiers() {
        let Some(entry) = ctx.store.entry_in(which, Kind::ByteCode, key).await else { continue };
        if let Some(member) = entry.object(ROLE)
            && ctx.store.object(&member.digest(), Some(member.size), &to, |_| ()).await
        {
            return StoredByteCode::Archive(to);
        }
        found = StoredByteCode::Unusable;
    }
    found
}

/// The given distributions that are in the environment's own site-packages and have modules, by name.
async fn installed(wanted: &PythonInstall, names: &[String]) -> Result<BTreeMap<String, Installed>, ByteCodeError> {
    let (interpreter, names) = (wanted.interpreter.clone(), names.to_vec());
    let reading = move || {
        let env = PythonEnv::read(&interpreter)?;
        let modules = |found: &Distribution| {
            let own = found.folder.parent().filter(|folder| *folder == env.site_packages)?.to_owned();
            Some((own, archive::modules(found, &env.tag()).ok().filter(|modules| !modules.is_empty())?))
        };
        Ok::<_, ByteCodeError>(
            names
                .into_iter()
                .filter_map(|name| Some((modules(env.distributions.get(&name)?)?, name)))
                .collect::<Vec<_>>(),
        )
    };
    Ok(run_blocking(reading).await?.into_iter().map(|(found, name)| (name, found)).collect())
}

/// Whether this or another node has stored the byte code of a wheel in the meantime.
async fn is_kept(ctx: &Context, Wheel { key, reach, found }: &Wheel) -> bool {
    for &which in reach.tiers() {
        if *found != StoredByteCode::Unusable && ctx.store.entry_in(which, Kind::ByteCode, key).await.is_some() {
            return true;
        }
    }
    false
}

/// Publishes a packed archive and removes the file.
async fn publish(ctx: &Context, wheel: &Wheel, packed: &Path) -> Result<(), ByteCodeError> {
    let of = (Kind::ByteCode, &wheel.key);
    let published = ctx.store.publish_file(of, ROLE, packed, Map::new(), wheel.reach).await;
    let _ = fs::remove(packed);
    Ok(published?)
}

#[cfg(test)]
mod tests;
