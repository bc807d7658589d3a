//! Wheels of source archives that a lock names: what one node built, no other builds again. What is wrong with the store is a
//! warning at most; then the wheel is built as if there were none.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use futures::{StreamExt as _, TryStreamExt as _};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value};

use super::{
    Context, StepError, access, bytecode::ToInstall, cache, explained, index::PipConfig, interpreter::Interpreter,
    locked, tool::Tool,
};
use crate::{
    digest::Digest,
    facts::{PythonEnv, os::Os, python::WheelName},
    fs,
    lock::LockedDistribution,
    plan::PythonInstall,
    steps::{
        compilers,
        links::{Ground, Links},
        patience::{LEASE, Patience},
        why::{Why, beside, words},
    },
    store::{Entry, Guard, Key, Kind, Lease, Reach},
};

/// What the wheel is in an entry.
const ROLE: &str = "wheel";
/// The wheel's name, and what its files link to, in an entry's facts.
const FILE: &str = "file";
const LINKS: &str = "links";
/// The compilers that builds find by themselves.
const COMPILERS: [&str; 2] = ["cc", "c++"];
/// How long a build takes about, in milliseconds: what it is built with is fetched first.
const USUAL_COST: u64 = 15_000;

/// What decides how a wheel comes out of its source, as far as it can be known: what it is built with comes from the index.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
struct Decides<'a> {
    /// SHA-256 of the source archive.
    source: &'a str,
    interpreter: &'a Interpreter,
    /// Operating system and release, such as `debian 12`, and processor.
    os: String,
    arch: &'static str,
    compilers: &'a BTreeMap<String, String>,
    variables: &'a BTreeMap<String, String>,
}

/// The wheel of a source archive, on this node.
#[derive(Debug)]
pub(super) struct Built {
    /// The distribution.
    name: String,
    /// The wheel.
    pub(super) path: PathBuf,
    reach: Reach,
    /// Under which name it is to be kept, when it was built here. Others wait as long as the lease lives.
    fresh: Option<(Key, Option<Guard>)>,
}

/// The wheels of source archives, each of which is there with its path: from the store, else built here.
pub(super) async fn wheels(
    ctx: &Context,
    tool: &Tool,
    wanted: &PythonInstall,
    sources: &[(&LockedDistribution, PathBuf)],
) -> Result<Vec<Built>, StepError> {
    if sources.is_empty() {
        return Ok(Vec::new());
    }
    fs::remove_tree(&folder(ctx))?;
    let keys = keys(ctx, wanted, sources).await;
    let ground = ground(ctx).await;
    let building = sources.iter().zip(keys).map(|((file, archive), key)| {
        let maker = Maker { ctx, tool, wanted, file, archive, ground: &ground };
        async move {
            match key {
                Some((key, reach)) => maker.kept_or_built(key, reach).await,
                None => maker.build().await.map(|path| maker.built(path, Reach::ThisNode, None)),
            }
        }
    });
    futures::stream::iter(building.collect::<Vec<_>>()).buffered(ctx.cores).try_collect().await
}

/// The names of all builds, and who may have them; none where nothing is kept.
async fn keys(
    ctx: &Context,
    wanted: &PythonInstall,
    sources: &[(&LockedDistribution, PathBuf)],
) -> Vec<Option<(Key, Reach)>> {
    let interpreter = if ctx.store.keeps() { Interpreter::read(ctx, wanted).await } else { None };
    let Some(interpreter) = interpreter else { return sources.iter().map(|_| None).collect() };
    let mut called = BTreeMap::new();
    for name in COMPILERS {
        called.insert(name.to_owned(), compilers::called(ctx, name).await);
    }
    let variables = compilers::variables(|name| std::env::var_os(name));
    let os = Os::parse(&std::fs::read_to_string(ctx.on_node("/etc/os-release")).unwrap_or_default());
    let config = PipConfig::read(&ctx.root, &wanted.interpreter, |name| std::env::var(name).ok());
    let key = |file: &LockedDistribution| {
        let decides = Decides {
            source: file.sha256.hex(),
            interpreter: &interpreter,
            os: format!("{} {}", os.id, os.version),
            arch: std::env::consts::ARCH,
            compilers: &called,
            variables: &variables,
        };
        Some((Key::of(Kind::Wheel, &decides), locked::reach(ctx, &config, file)))
    };
    sources.iter().map(|(file, _)| key(file)).collect()
}

/// What wheels may link to here; read after the packages they need were installed.
async fn ground(ctx: &Context) -> Option<Ground> {
    let root = ctx.root.clone();
    beside(move || Ok(Ground::read(&root, None))).await.ok()
}

/// Who makes one wheel.
struct Maker<'a> {
    ctx: &'a Context,
    tool: &'a Tool,
    wanted: &'a PythonInstall,
    file: &'a LockedDistribution,
    archive: &'a Path,
    ground: &'a Option<Ground>,
}

impl Maker<'_> {
    async fn kept_or_built(&self, key: Key, reach: Reach) -> Result<Built, StepError> {
        if let Some(path) = self.kept(&key, reach).await {
            return Ok(self.built(path, reach, None));
        }
        let mut guard = None;
        if reach == Reach::Everybody {
            let patience = Patience::new(USUAL_COST, self.ctx.cores);
            while guard.is_none() && !patience.is_over() {
                match self.ctx.store.lease(&key, LEASE).await {
                    Lease::Taken(taken) => guard = Some(taken),
                    Lease::Held { .. } => {
                        let started = Timestamp::now();
                        patience.wait(&self.ctx.store, (Kind::Wheel, &key), |entry| self.fits(entry).is_some()).await;
                        let task = format!("wait for {}, which another node builds", self.file.name);
                        self.ctx.progress.task_finished(task, started, true);
                    }
                }
                // Whoever had it may have published just now.
                if let Some(path) = self.kept(&key, reach).await {
                    return Ok(self.built(path, reach, None));
                }
            }
        }
        let path = self.build().await?;
        Ok(self.built(path, reach, Some((key, guard))))
    }

    fn built(&self, path: PathBuf, reach: Reach, fresh: Option<(Key, Option<Guard>)>) -> Built {
        Built { name: self.file.name.clone(), path, reach, fresh }
    }

    /// The wheel from the store, brought here.
    async fn kept(&self, key: &Key, reach: Reach) -> Option<PathBuf> {
        for &which in reach.places() {
            let Some(entry) = self.ctx.store.entry_in(which, Kind::Wheel, key).await else { continue };
            let (Some(name), Some(member)) = (self.fits(&entry), entry.object(ROLE)) else { continue };
            let (to, started) = (self.folder().join(name), Timestamp::now());
            if self.ctx.store.object(&member.digest(), Some(member.size), &to, |_| ()).await {
                self.ctx.progress.task_finished(format!("take {} from the store", self.file.name), started, true);
                return Some(to);
            }
        }
        None
    }

    /// The name of an entry's wheel, if it is one of this distribution and what it links to is here.
    fn fits<'e>(&self, entry: &'e Entry) -> Option<&'e str> {
        let (name, links) = facts(entry, &self.file.name)?;
        self.ground.as_ref()?.fits(&links).then_some(name)
    }

    async fn build(&self) -> Result<PathBuf, StepError> {
        let (folder, name) = (self.folder(), &self.file.name);
        fs::create_dirs(&folder, 0o755)?;
        self.ctx.progress.now(format!("building {name}"), None);
        let cmd = access::with_logins(self.ctx, self.tool.build(self.wanted, self.archive, &folder))?;
        let cmd = cmd.log(self.ctx.logs.join("pip.log"));
        let started = Timestamp::now();
        let built = self.ctx.runner.run(&cmd).await.and_then(|done| done.ok(&cmd));
        self.ctx.progress.task_finished(format!("build {name}"), started, built.is_ok());
        let failed = format!("`{name}` could not be built from its source archive");
        if let Err(error) = built {
            return Err(explained(self.ctx, self.wanted, &failed, &error).await);
        }
        let entries = std::fs::read_dir(&folder).into_iter().flatten().flatten();
        let wheel = entries
            .map(|entry| entry.path())
            .find(|path| path.file_name().and_then(|name| name.to_str()).is_some_and(|file| is_of(file, name)));
        wheel.ok_or_else(|| StepError::new(failed).cause("the build reported success and made no wheel of that name"))
    }

    /// A folder for this wheel alone.
    fn folder(&self) -> PathBuf {
        folder(self.ctx).join(self.file.sha256.hex())
    }
}

/// The name of an entry's wheel, and what it links to. What is written in an entry may be anything.
fn facts<'e>(entry: &'e Entry, distribution: &str) -> Option<(&'e str, Links)> {
    let name = entry.facts.get(FILE)?.as_str().filter(|name| is_of(name, distribution))?;
    Some((name, serde_json::from_value(entry.facts.get(LINKS)?.clone()).ok()?))
}

/// Whether a file's name is that of a wheel of a distribution, and leads nowhere.
fn is_of(file: &str, distribution: &str) -> bool {
    !file.contains('/') && WheelName::parse(file).is_some_and(|wheel| wheel.name == distribution)
}

/// The same as wheels that will be installed.
pub(super) fn to_install(built: &[Built]) -> Vec<ToInstall> {
    let sha256 = |path: &Path| Digest::sha256_of_file(path).map(|digest| digest.hex().to_owned());
    let wheel =
        |one: &Built| Some(ToInstall { name: one.name.clone(), sha256: sha256(&one.path).ok()?, reach: one.reach });
    built.iter().filter_map(wheel).collect()
}

/// Keeps the wheels that were built here, now that they are installed. Goes on behind the run.
pub(super) fn keep(ctx: &Context, wanted: &PythonInstall, built: Vec<Built>) {
    let (ctx, also, interpreter) = (ctx.clone(), ctx.store.clone(), wanted.interpreter.clone());
    also.behind(async move {
        for Built { name, path, reach, fresh } in built {
            let Some((key, guard)) = fresh else { continue };
            if let Err(why) = keep_one(&ctx, &interpreter, &name, &path, (&key, reach)).await {
                ctx.progress.warn(format!("the wheel of `{name}` is not kept in the store: {why}"));
            }
            drop(guard);
        }
    });
}

async fn keep_one(
    ctx: &Context,
    interpreter: &Path,
    name: &str,
    path: &Path,
    (key, reach): (&Key, Reach),
) -> Result<(), Why> {
    let (root, interpreter, of) = (ctx.root.clone(), interpreter.to_owned(), name.to_owned());
    let looking = move || links(&root, &interpreter, &of);
    let links = serde_json::to_value(beside(looking).await?).map_err(|error| words(&error))?;
    let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let facts = Map::from_iter([(FILE.to_owned(), Value::String(file)), (LINKS.to_owned(), links)]);
    let published = ctx.store.publish_file((Kind::Wheel, key), ROLE, path, facts, reach).await;
    published.map_err(|error| error.in_words())
}

/// What the files of an installed distribution link to.
fn links(root: &Path, interpreter: &Path, name: &str) -> Result<Links, Why> {
    let env = PythonEnv::read(interpreter).map_err(|error| words(&error))?;
    let found = env.distributions.get(name).ok_or("it is not installed")?;
    let below = found.folder.parent().ok_or("it is nowhere")?;
    let files = found.files().map_err(|error| words(&error))?;
    let files: Vec<PathBuf> = files.iter().map(|file| below.join(&file.path)).filter(|path| path.is_file()).collect();
    Ground::read(root, None)
        .links_of(&files, |library| Err(format!("it links to `{library}`, which is in no folder of libraries")))
}

fn folder(ctx: &Context) -> PathBuf {
    cache(ctx).join("built")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_entry_cannot_name_a_file_elsewhere_or_another_distribution() {
        let entry = |file: &str| {
            let facts = json!({ FILE: file, LINKS: { "packages": {}, "files": {} } });
            Entry::new(Kind::Wheel, Vec::new(), facts.as_object().expect("an object").clone())
        };
        let name = |file: &str| facts(&entry(file), "doc-opt").map(|(name, _)| name.to_owned());
        assert_eq!(name("doc_opt-1-py3-none-any.whl").as_deref(), Some("doc_opt-1-py3-none-any.whl"));
        for file in [
            "other-1-py3-none-any.whl",
            "../doc_opt-1-py3-none-any.whl",
            "/doc_opt-1-py3-none-any.whl",
            "doc_opt-1.tar.gz",
            "",
        ] {
            assert_eq!(name(file), None, "{file}");
        }
        assert_eq!(facts(&Entry::new(Kind::Wheel, Vec::new(), Map::new()), "doc-opt"), None);
    }
}
