//! Fetches the parts of a layer and unpacks them, both at the same time and on all cores.

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
use tokio::task::JoinHandle;
use zstd::zstd_safe::DCtx;

use super::{Why, beside, manifest::Part, words};
use crate::{
    fs::{self, Limits, Seen},
    steps::Context,
};

/// Parts that are on their way while others are unpacked.
const AHEAD: usize = 4;
/// Threads that unpack a layer: no disk feeds more.
const MOST_WORKERS: usize = 32;

/// Where a layer on its way is. Gone when the last who works there is done: a step whose time is up does not wait for a
/// thread that is unpacking.
#[derive(Debug)]
pub(super) struct Folder {
    pub(super) unpacked: PathBuf,
    /// The parts, each until it is unpacked.
    pub(super) archives: PathBuf,
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_tree(&self.archives);
        let _ = fs::remove_tree(&self.unpacked);
    }
}

/// Parts that were fetched and are being unpacked. Dropped, it gives the rest up.
#[derive(Debug)]
pub(super) struct Unpacking {
    work: Arc<Work>,
    workers: JoinHandle<Result<(), Why>>,
    began: Timestamp,
}

impl Unpacking {
    /// Fetches all parts; what arrived is unpacked meanwhile, and the rest while others go on.
    pub(super) async fn fetch(ctx: &Context, folder: &Arc<Folder>, parts: Vec<Part>) -> Result<Self, Why> {
        let began = Timestamp::now();
        let (arrived, arrivals) = mpsc::channel();
        let work =
            Arc::new(Work { arrivals: Mutex::new(arrivals), seen: Seen::default(), given_up: AtomicBool::new(false) });
        let worker = |_| {
            let (work, into) = (Arc::clone(&work), Arc::clone(folder));
            beside(move || work.unpack_all(&into.unpacked))
        };
        let workers = join_all((0..ctx.cores.min(parts.len()).min(MOST_WORKERS)).map(worker));
        let workers = tokio::spawn(async { workers.await.into_iter().collect() });
        let mut unpacking = Self { work: Arc::clone(&work), workers, began };
        let fetch = |part: Part| {
            let (to, arrived) = (folder.archives.join(format!("{}.tar.zst", part.sha256)), arrived.clone());
            let work = &work;
            async move { if work.is_given_up() { Ok(()) } else { fetch(ctx, to, part, arrived).await } }
        };
        let fetching = futures::stream::iter(parts).map(fetch).buffer_unordered(ctx.cores + AHEAD);
        let fetched = fetching.try_for_each(|()| std::future::ready(Ok(()))).await;
        // Without this sender no worker waits for more.
        drop(arrived);
        if fetched.is_err() || work.is_given_up() {
            work.give_up();
            // The place is free for another try only when nobody works there any more.
            let unpacked = unpacking.workers().await;
            return Err(fetched.and(unpacked).err().unwrap_or_else(|| "it was given up".to_owned()));
        }
        Ok(unpacking)
    }

    /// Waits until all is unpacked.
    pub(super) async fn ended(&mut self, ctx: &Context) -> Result<(), Why> {
        let ended = self.workers().await;
        ctx.progress.task_finished("unpack a layer", self.began, ended.is_ok());
        ended
    }

    async fn workers(&mut self) -> Result<(), Why> {
        (&mut self.workers).await.unwrap_or_else(|error| Err(error.to_string()))
    }
}

impl Drop for Unpacking {
    fn drop(&mut self) {
        self.work.give_up();
    }
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
#[derive(Debug)]
struct Work {
    arrivals: Mutex<mpsc::Receiver<Arrived>>,
    /// Names of all parts: what one may not do, two may not do together.
    seen: Seen,
    /// One part is of no use, or nobody waits for them any more: the others need not come.
    given_up: AtomicBool,
}

impl Work {
    fn give_up(&self) {
        self.given_up.store(true, Ordering::Relaxed);
    }

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
            unpacked.inspect_err(|_| self.give_up())?;
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
