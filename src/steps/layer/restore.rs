//! Brings a layer to a node: fetched, checked and unpacked beside its place while the step prepares; moved there when it
//! acts. Whatever is wrong with a layer is a warning, and the packages are installed as if there were none.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
};

use futures::{StreamExt as _, TryStreamExt as _, future::join_all};
use jiff::Timestamp;
use zstd::zstd_safe::DCtx;

use super::{
    Why, beside, key,
    manifest::{Manifest, Part},
    words,
};
use crate::{
    fs::{self, Limits, Seen},
    plan::{Environment, Layer},
    report::words::counted,
    steps::{
        Context,
        links::{Ground, Links},
    },
    store::{Key, Kind, Reach},
};

/// Parts that are on their way while others are unpacked.
const AHEAD: usize = 4;
/// Threads that unpack a layer: no disk feeds more.
const MOST_WORKERS: usize = 32;
/// The folder beside a layer's place, where the agent's cache is on another file system.
const BESIDE: &str = ".nodeagent-layer";

/// A layer that is unpacked, and not yet where it belongs. Gone when dropped.
#[derive(Debug)]
pub struct Staged {
    layer: Box<Layer>,
    folder: Arc<Folder>,
    links: Links,
}

/// The folder of a layer on its way. Gone when the last who works in it is done: a step whose time is up does not wait for
/// a thread that is unpacking.
#[derive(Debug)]
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_tree(&self.0);
    }
}

/// Fetches the layer of a step and unpacks it beside its place; `None` when there is none that can be used.
pub(in super::super) async fn stage(ctx: &Context, layer: &Layer) -> Option<Staged> {
    let (folder, of, root) = (place_beside(ctx, layer)?, layer.clone(), ctx.root.clone());
    // A run that was killed may have left one.
    fs::remove_tree(&folder).ok()?;
    if !ctx.store.keeps() {
        return None;
    }
    let key = match beside(move || key::of(&of, &root)).await {
        Ok(key) => key,
        Err(why) => {
            not_staged(ctx, layer, &why);
            return None;
        }
    };
    for &which in Reach::of(layer.private).places() {
        let Some(entry) = ctx.store.entry_in(which, Kind::Layer, &key).await else { continue };
        let started = Timestamp::now();
        let staged = match Manifest::of(&entry, &key, ctx.filestore.trusted()) {
            Ok(manifest) => unpacked(ctx, layer, &key, manifest, &folder).await,
            Err(why) => Err(why),
        };
        ctx.progress.task_finished("fetch a layer", started, staged.is_ok());
        match staged {
            Ok(staged) => return Some(staged),
            Err(why) => not_staged(ctx, layer, &why),
        }
    }
    None
}

/// Says that what the store has is of no use.
fn not_staged(ctx: &Context, layer: &Layer, why: &str) {
    ctx.progress.warn(format!("the {} layer in the store is not used: {why}", layer.of.name()));
}

async fn unpacked(ctx: &Context, layer: &Layer, key: &Key, manifest: Manifest, folder: &Path) -> Result<Staged, Why> {
    ctx.progress.now(format!("fetching a layer of {}", counted(manifest.packages.len(), "package")), None);
    let folder = Arc::new(Folder(folder.to_owned()));
    let staged = Staged { layer: Box::new(layer.clone()), folder: Arc::clone(&folder), links: manifest.links };
    let archives = ctx.cache.join("layers").join(key.hex());
    let (arrived, arrivals) = mpsc::channel();
    let work =
        Arc::new(Work { arrivals: Mutex::new(arrivals), seen: Seen::default(), given_up: AtomicBool::new(false) });
    let _guard = GiveUp(&work);
    let worker = || {
        let (work, into) = (Arc::clone(&work), Arc::clone(&folder));
        beside(move || work.unpack_all(&into.0))
    };
    let workers = join_all((0..ctx.cores.min(manifest.parts.len()).min(MOST_WORKERS)).map(|_| worker()));
    let fetching = async {
        // What was fetched is worked on while the rest is fetched; without this sender no worker would wait for more.
        let arrived = arrived;
        let fetch = |part: Part| {
            let (to, arrived, work) = (archives.join(format!("{}.tar.zst", part.sha256)), arrived.clone(), &work);
            async move { if work.is_given_up() { Ok(()) } else { fetch(ctx, to, part, arrived).await } }
        };
        let parts = futures::stream::iter(manifest.parts).map(fetch).buffer_unordered(ctx.cores + AHEAD);
        parts.try_for_each(|()| std::future::ready(Ok(()))).await
    };
    let (fetched, unpacked) = futures::join!(fetching, workers);
    let _ = fs::remove_tree(&archives);
    fetched?;
    unpacked.into_iter().collect::<Result<(), Why>>()?;
    staged.collides().await?;
    Ok(staged)
}

/// A part in the agent's cache.
type Arrived = (PathBuf, Part);

async fn fetch(ctx: &Context, archive: PathBuf, part: Part, arrived: mpsc::Sender<Arrived>) -> Result<(), Why> {
    let object = part.object();
    if !ctx.store.object(&object.digest, Some(object.size), &archive, |_| ()).await {
        return Err(format!("its part {} is not there", &object.digest.hex()[..12]));
    }
    // Nobody listens any more when all has been given up.
    let _ = arrived.send((archive, part));
    Ok(())
}

/// What those who unpack share.
struct Work {
    arrivals: Mutex<mpsc::Receiver<Arrived>>,
    /// Names of all parts: what one may not do, two may not do together.
    seen: Seen,
    /// One part is of no use, or nobody waits for them any more: the others need not come.
    given_up: AtomicBool,
}

/// Gives up when nobody waits any more.
struct GiveUp<'a>(&'a Work);

impl Drop for GiveUp<'_> {
    fn drop(&mut self) {
        self.0.given_up.store(true, Ordering::Relaxed);
    }
}

impl Work {
    fn is_given_up(&self) -> bool {
        self.given_up.load(Ordering::Relaxed)
    }

    /// Unpacks parts as they arrive, one after the other, in memory that they share.
    fn unpack_all(&self, into: &Path) -> Result<(), Why> {
        let mut context = DCtx::create();
        loop {
            let next = self.arrivals.lock().unwrap_or_else(PoisonError::into_inner).recv();
            let Ok((archive, part)) = next else { return Ok(()) };
            let unpacked = if self.is_given_up() { Ok(()) } else { self.unpack(&archive, &part, into, &mut context) };
            let _ = fs::remove(&archive);
            unpacked.inspect_err(|_| self.given_up.store(true, Ordering::Relaxed))?;
        }
    }

    /// Unpacks one part; it may hold what it says and no more.
    fn unpack(&self, archive: &Path, part: &Part, into: &Path, context: &mut DCtx<'static>) -> Result<(), Why> {
        let unread = |error: std::io::Error| format!("`{}` could not be read: {error}", archive.display());
        let packed = fs::open_packed(archive, context).map_err(unread)?;
        let limits = Limits { bytes: part.bytes, entries: part.entries };
        fs::unpack_beside(packed, into, limits, &self.seen).map_err(|error| words(&error))
    }
}

impl Staged {
    /// Moves the layer to its place; what it links to must be there, and nothing that is there may change. The error is
    /// why the packages have to be installed instead.
    pub(in super::super) async fn put(self, ctx: &Context) -> Result<(), Why> {
        let started = Timestamp::now();
        let (root, packages) = (ctx.root.clone(), counted(self.layer.packages.len(), "package"));
        self.collides().await?;
        let links = self.links.clone();
        let r_home = self.layer.r_home().map(Path::to_owned);
        let fits = beside(move || Ok(Ground::read(&root, r_home.as_deref()).fits(&links))).await?;
        if !fits {
            return Err("it links to libraries that are not here in the same versions".to_owned());
        }
        // Here and not in a thread of its own, which would go on after the step was given up. It is renames.
        let put = fs::merge(&self.folder.0, &self.layer.base, rank).map_err(|error| words(&error));
        ctx.progress.task_finished(format!("restore {packages} from a layer"), started, put.is_ok());
        put
    }

    /// Where it is until it is put to its place.
    pub(in super::super) fn folder(&self) -> &Path {
        &self.folder.0
    }

    /// The packages it holds.
    pub(in super::super) fn package_names(&self) -> Vec<String> {
        self.layer.packages.keys().cloned().collect()
    }

    /// Says that it is of no use.
    pub(in super::super) fn not_put(ctx: &Context, of: Environment, why: &str) {
        ctx.progress.warn(format!("the {} layer is not used, its packages are installed: {why}", of.name()));
    }

    /// A layer never changes what is there.
    async fn collides(&self) -> Result<(), Why> {
        let (from, to) = (Arc::clone(&self.folder), self.layer.base.clone());
        let looked = beside(move || fs::would_change(&from.0, &to).map_err(|error| words(&error))).await?;
        match looked {
            Some(path) => Err(format!("`{}` is there already, and is another", path.display())),
            None => Ok(()),
        }
    }
}

/// What says that something is installed comes last: the folder of a distribution's metadata, after what is in `bin` and
/// `share`; a package's DESCRIPTION.
fn rank(name: &Path) -> u8 {
    let is_metadata = name.extension().is_some_and(|ending| ending == "dist-info") || name == Path::new("DESCRIPTION");
    if is_metadata { 2 } else { u8::from(name == Path::new("lib")) }
}

/// A folder that can be renamed into a layer's place: in the agent's cache where that is in the same mount.
fn place_beside(ctx: &Context, layer: &Layer) -> Option<PathBuf> {
    let name = layer.of.name().to_lowercase();
    if fs::is_one_mount(&ctx.cache, &layer.base) {
        return Some(ctx.cache.join("layers").join(format!("{name}-new")));
    }
    let there = layer.base.ancestors().find(|above| above.exists())?;
    Some(there.join(format!("{BESIDE}-{name}")))
}

#[cfg(test)]
mod tests;
