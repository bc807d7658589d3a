//! Byte code that is kept: what one node compiled of a wheel, no other compiles again. What is wrong with the store is a
//! warning at most; then the modules are compiled as if there were none.

mod archive;

use std::{collections::BTreeMap, path::PathBuf};

use futures::StreamExt as _;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Map;

use super::{Context, StepError, cache, interpreter::Interpreter, text};
use crate::{
    exec::Cmd,
    facts::{
        PythonEnv,
        python::{Distribution, PythonError},
    },
    fs::{self, Attributes},
    plan::PythonInstall,
    report::words::counted,
    steps::why::{beside, words},
    store::{Key, Kind, Reach},
};

/// What the packed byte code is in an entry.
const ROLE: &str = "byte-code";
/// Archives that are fetched at once.
const AT_ONCE: usize = 16;
/// Compiles the modules that a file names, on so many processors. What cannot be compiled is left as it is: some modules
/// are for other versions of Python.
const COMPILE: &str = "import compileall, functools, sys
from concurrent.futures import ProcessPoolExecutor
with open(sys.argv[1]) as names, ProcessPoolExecutor(int(sys.argv[2])) as pool:
    compiling = functools.partial(compileall.compile_file, quiet=2)
    for _ in pool.map(compiling, names.read().splitlines(), chunksize=32): pass
";

/// Everything that decides what a wheel's modules are compiled to.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
struct Decides<'a> {
    /// SHA-256 of the wheel.
    wheel: &'a str,
    /// What compiles, and where the modules are: byte code names them.
    interpreter: &'a Interpreter,
}

/// The byte code of a step's wheels. Empty where none is wanted, or can be kept.
#[derive(Debug, Default)]
pub(super) struct ByteCode(BTreeMap<String, Wheel>);

/// A wheel that will be installed.
#[derive(Debug)]
pub(super) struct ToInstall {
    /// The distribution.
    pub(super) name: String,
    /// SHA-256 of the wheel.
    pub(super) sha256: String,
    /// Who may have what is made of it.
    pub(super) reach: Reach,
}

/// A wheel whose byte code has a name.
#[derive(Debug)]
struct Wheel {
    key: Key,
    reach: Reach,
    /// Its packed byte code, brought here.
    archive: Option<PathBuf>,
}

impl ByteCode {
    /// Looks for the byte code of wheels that will be installed, and fetches what there is.
    pub(super) async fn look(ctx: &Context, wanted: &PythonInstall, wheels: Vec<ToInstall>) -> Self {
        if !wanted.compile || !ctx.store.keeps() || wheels.is_empty() {
            return Self::default();
        }
        let Some(interpreter) = Interpreter::read(ctx, wanted).await else { return Self::default() };
        let looking = wheels.into_iter().map(|ToInstall { name, sha256, reach }| {
            let key = Key::of(Kind::ByteCode, &Decides { wheel: &sha256, interpreter: &interpreter });
            async move {
                let archive = fetch(ctx, &key, reach).await;
                (name, Wheel { key, reach, archive })
            }
        });
        Self(futures::stream::iter(looking.collect::<Vec<_>>()).buffer_unordered(AT_ONCE).collect().await)
    }

    /// Adds that of other wheels.
    pub(super) fn extend(&mut self, others: Self) {
        self.0.extend(others.0);
    }

    /// Whether any is here: then the installer need not compile.
    pub(super) fn is_any(&self) -> bool {
        self.0.values().any(|wheel| wheel.archive.is_some())
    }

    /// Gives installed distributions their byte code: what is here is put in its place, the rest is compiled.
    pub(super) async fn complete(&mut self, ctx: &Context, wanted: &PythonInstall) -> Result<(), StepError> {
        let installed = installed(wanted)
            .map_err(|error| StepError::new("what was installed could not be read").because(&error))?;
        let started = Timestamp::now();
        let putting = self.0.iter_mut().filter_map(|(name, wheel)| {
            let (archive, found) = (wheel.archive.take()?, installed.get(name)?);
            Some(async move {
                let (below, modules) = found.clone();
                let putting = move || {
                    let put = archive::put(&archive, &below, &modules);
                    let _ = fs::remove(&archive);
                    put.map_err(|error| words(&error))
                };
                let put = beside(putting).await;
                if let Err(why) = &put {
                    ctx.progress.warn(format!("the byte code of `{name}` in the store is not used: {why}"));
                }
                (name.clone(), put.is_ok())
            })
        });
        let done: BTreeMap<String, bool> =
            futures::stream::iter(putting.collect::<Vec<_>>()).buffer_unordered(ctx.cores).collect().await;
        self.0.retain(|name, _| !done.get(name).copied().unwrap_or_default());
        let count = done.values().filter(|put| **put).count();
        ctx.progress.task_finished(format!("unpack byte code of {}", counted(count, "wheel")), started, true);
        let rest = installed.iter().filter(|(name, _)| !done.get(*name).copied().unwrap_or_default());
        let rest = rest.flat_map(|(_, (below, modules))| modules.values().map(|module| below.join(module)));
        compile(ctx, wanted, &rest.collect::<Vec<_>>()).await
    }

    /// Keeps what was compiled here. Goes on behind the run.
    pub(super) fn keep(self, ctx: &Context, wanted: &PythonInstall) {
        if self.0.is_empty() {
            return;
        }
        let (ctx, also, wanted) = (ctx.clone(), ctx.store.clone(), wanted.clone());
        also.behind(async move {
            let looking = move || installed(&wanted);
            let Ok(Ok(mut installed)) = tokio::task::spawn_blocking(looking).await else { return };
            for (name, wheel) in self.0 {
                let Some((below, modules)) = installed.remove(&name) else { continue };
                if let Err(why) = keep(&ctx, &wheel, below, modules).await {
                    ctx.progress.warn(format!("the byte code of `{name}` is not kept in the store: {why}"));
                }
            }
        });
    }
}

/// Packed byte code, brought here.
async fn fetch(ctx: &Context, key: &Key, reach: Reach) -> Option<PathBuf> {
    for &which in reach.places() {
        let Some(entry) = ctx.store.entry_in(which, Kind::ByteCode, key).await else { continue };
        let Some(member) = entry.object(ROLE) else { continue };
        let to = folder(ctx).join(format!("{}.tar.zst", key.hex()));
        if ctx.store.object(&member.digest(), Some(member.size), &to, |_| ()).await {
            return Some(to);
        }
    }
    None
}

/// A distribution's folder and its modules.
type Installed = (PathBuf, BTreeMap<PathBuf, PathBuf>);

/// What a step installed, with modules, by name.
fn installed(wanted: &PythonInstall) -> Result<BTreeMap<String, Installed>, PythonError> {
    let env = PythonEnv::read(&wanted.interpreter)?;
    let names =
        wanted.locked.iter().flatten().map(|file| &file.name).chain(wanted.wheels.iter().map(|wheel| &wheel.name));
    let modules = |found: &Distribution| {
        let modules = archive::modules(found, &env.tag()).ok().filter(|modules| !modules.is_empty())?;
        Some((found.folder.parent()?.to_owned(), modules))
    };
    Ok(names.filter_map(|name| Some((name.clone(), modules(env.distributions.get(name)?)?))).collect())
}

async fn compile(ctx: &Context, wanted: &PythonInstall, modules: &[PathBuf]) -> Result<(), StepError> {
    if modules.is_empty() {
        return Ok(());
    }
    let started = Timestamp::now();
    ctx.progress.now(format!("compiling {}", counted(modules.len(), "module")), None);
    let list = folder(ctx).join("modules.txt");
    let names: Vec<String> = modules.iter().map(|module| format!("{}\n", module.display())).collect();
    fs::replace(&list, names.concat().as_bytes(), Attributes::mode(0o644))?;
    let cmd = Cmd::new(text(&wanted.interpreter)).args(["-c", COMPILE]).arg(text(&list)).arg(ctx.cores.to_string());
    let cmd = cmd.cwd("/").log(ctx.logs.join("pip.log"));
    let compiled = ctx.runner.run(&cmd).await.and_then(|done| done.ok(&cmd));
    ctx.progress.task_finished("compile", started, compiled.is_ok());
    fs::remove(&list)?;
    compiled.map(drop).map_err(|error| StepError::new("modules could not be compiled").because(&error))
}

async fn keep(ctx: &Context, wheel: &Wheel, below: PathBuf, modules: BTreeMap<PathBuf, PathBuf>) -> Result<(), String> {
    let to = folder(ctx).join(format!("{}-new.tar.zst", wheel.key.hex()));
    let also = to.clone();
    let packing = move || archive::pack(&below, &modules, &also).map_err(|error| words(&error));
    if !beside(packing).await? {
        return Ok(());
    }
    let published = ctx.store.publish_file((Kind::ByteCode, &wheel.key), ROLE, &to, Map::new(), wheel.reach).await;
    // The store has it under its own name.
    let _ = fs::remove(&to);
    published.map_err(|error| error.in_words())
}

fn folder(ctx: &Context) -> PathBuf {
    cache(ctx).join("byte-code")
}

#[cfg(test)]
mod tests;
