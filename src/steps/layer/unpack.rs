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

use super::{Why, manifest::Part, run_blocking, words};
use crate::{
    fs::{self, Limits, UnpackedNames},
    steps::Context,
};

/// Parts that are on their way while others are unpacked.
const AHEAD: usize = 4;
/// Threads that unpack a layer: no disk feeds more.
const MOST_WORKERS: usize = 32;

/// Where a layer on its way is. Gone when the last who works there is done: a step whose time is up does not wait for a
/// thread that is unpacking.
#[derive(Debug)]
pub(super) struct StagingFolder {
    pub(super) unpacked: PathBuf,
    /// The parts, each until it is unpacked.
    pub(super) archives: PathBuf,
}

impl StagingFolder {
    fn clear(&self) {
        let _ = fs::remove_tree(&self.archives);
        let _ = fs::remove_tree(&self.unpacked);
    }
}

impl Drop for StagingFolder {
    fn drop(&mut self) {
        self.clear();
    }
}

/// Parts that were fetched and are being unpacked. Dropped, it gives the rest up.
#[derive(Debug)]
pub(super) struct Unpacking {
    work: Arc<UnpackQueue>,
    ended: JoinHandle<Result<(), Why>>,
}

impl Unpacking {
    /// Fetches all parts; what arrived is unpacked meanwhile, and the rest while others go on.
    pub(super) async fn fetch(ctx: &Context, folder: &Arc<StagingFolder>, parts: Vec<Part>) -> Result<Self, Why> {
        let (unpacking, arrived) = Self::begin(ctx, folder, parts.len());
        let work = &unpacking.work;
        let fetch = |part: Part| {
            let (to, arrived) = (folder.archives.join(format!("{}.tar.zst", part.sha256)), arrived.clone());
            async move { if work.is_cancelled() { Ok(()) } else { fetch(ctx, to, part, arrived).await } }
        };
        let fetching = futures::stream::iter(parts).map(fetch).buffer_unordered(ctx.cores + AHEAD);
        let fetched = fetching.try_for_each(|()| std::future::ready(Ok(()))).await;
        // Without this sender no worker waits for more.
        drop(arrived);
        if fetched.is_err() || work.is_cancelled() {
            work.cancel();
            // The place is free for another try only when nobody works there any more.
            let unpacked = unpacking.ended().await;
            return Err(fetched.and(unpacked).err().unwrap_or_else(|| "it was given up".to_owned()));
        }
        Ok(unpacking)
    }

    /// Threads that unpack what is sent to them, until the sender is dropped.
    fn begin(ctx: &Context, folder: &Arc<StagingFolder>, parts: usize) -> (Self, mpsc::Sender<FetchedPart>) {
        let began = Timestamp::now();
        let (arrived, arrivals) = mpsc::channel();
        let work = Arc::new(UnpackQueue {
            arrivals: Mutex::new(arrivals),
            seen: UnpackedNames::default(),
            cancelled: AtomicBool::new(false),
        });
        let worker = |_| {
            let (work, into) = (Arc::clone(&work), Arc::clone(folder));
            run_blocking(move || work.unpack_all(&into.unpacked))
        };
        let workers = join_all((0..ctx.cores.min(parts).min(MOST_WORKERS)).map(worker));
        let (progress, folder, of) = (ctx.progress.clone(), Arc::clone(folder), Arc::clone(&work));
        let ended = tokio::spawn(async move {
            let ended = workers.await.into_iter().collect::<Result<(), Why>>();
            if ended.is_err() {
                // Others act by now, and may need the room.
                let clear = move || {
                    folder.clear();
                    Ok(())
                };
                let _ = run_blocking(clear).await;
            }
            if ended.is_err() || !of.is_cancelled() {
                progress.task_finished("unpack a layer", began, ended.is_ok());
            }
            ended
        });
        (Self { work, ended }, arrived)
    }

    /// Waits until all is unpacked.
    pub(super) async fn ended(mut self) -> Result<(), Why> {
        (&mut self.ended).await.unwrap_or_else(|error| Err(error.to_string()))
    }
}

impl Drop for Unpacking {
    fn drop(&mut self) {
        self.work.cancel();
    }
}

/// A part in the agent's cache.
type FetchedPart = (PathBuf, Part);

async fn fetch(ctx: &Context, archive: PathBuf, part: Part, arrived: mpsc::Sender<FetchedPart>) -> Result<(), Why> {
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
struct UnpackQueue {
    arrivals: Mutex<mpsc::Receiver<FetchedPart>>,
    /// Names of all parts: what one may not do, two may not do together.
    seen: UnpackedNames,
    /// One part is of no use, or nobody waits for them any more: the others need not come.
    cancelled: AtomicBool,
}

impl UnpackQueue {
    fn cancel(&self) {
        self.cancelled.store(true, Ordering::Relaxed);
    }

    fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }

    /// Unpacks parts as they arrive, one after the other, in memory that they share.
    fn unpack_all(&self, into: &Path) -> Result<(), Why> {
        let mut context = DCtx::create();
        loop {
            let next = self.arrivals.lock().unwrap_or_else(PoisonError::into_inner).recv();
            let Ok((archive, part)) = next else { return Ok(()) };
            let unpacked = if self.is_cancelled() { Ok(()) } else { self.unpack(&archive, &part, into, &mut context) };
            let _ = fs::remove(&archive);
            unpacked.inspect_err(|_| self.cancel())?;
        }
    }

    /// Unpacks one part; it may hold what it says and no more.
    fn unpack(&self, archive: &Path, part: &Part, into: &Path, context: &mut DCtx<'static>) -> Result<(), Why> {
        let unread = |error: std::io::Error| format!("`{}` could not be read: {error}", archive.display());
        let packed = fs::open_compressed(archive, context).map_err(unread)?;
        let limits = Limits { bytes: part.bytes, entries: part.entries };
        fs::unpack_sharing_names(packed, into, limits, &self.seen).map_err(|error| words(&error))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{
        exec::fake::FakeRunner,
        fs::{Attributes, replace},
        report::{Collector, event::Events},
    };

    struct Bench {
        ctx: Context,
        folder: Arc<StagingFolder>,
        _temp: tempfile::TempDir,
    }

    impl Bench {
        fn new() -> Self {
            let temp = tempfile::tempdir().expect("a temporary folder");
            let events = Events::new(vec![Box::new(Collector::default())]);
            let ctx = Context::for_tests(Arc::new(FakeRunner::new()), events.of_step("pip"));
            let (unpacked, archives) = (temp.path().join("unpacked"), temp.path().join("archives"));
            Self { ctx, folder: Arc::new(StagingFolder { unpacked, archives }), _temp: temp }
        }

        fn arrived(&self, bytes: &[u8]) -> FetchedPart {
            let path = self.folder.archives.join("part");
            replace(&path, bytes, Attributes::mode(0o644)).expect("written");
            (path, Part { sha256: String::new(), size: bytes.len() as u64, bytes: 1 << 20, entries: 9 })
        }
    }

    fn archive() -> Vec<u8> {
        let mut tar = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_gnu();
        header.set_size(5);
        header.set_mode(0o644);
        tar.append_data(&mut header, "x", &b"hello"[..]).expect("appended");
        zstd::encode_all(&tar.into_inner().expect("ended")[..], 3).expect("packed")
    }

    async fn until(what: &str, is_so: impl Fn() -> bool) {
        let waiting = async {
            while !is_so() {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), waiting).await.expect(what);
    }

    #[tokio::test]
    async fn what_cannot_be_unpacked_takes_no_room_while_others_act() {
        let bench = Bench::new();
        let (unpacking, arrived) = Unpacking::begin(&bench.ctx, &bench.folder, 1);
        arrived.send(bench.arrived(&archive())).expect("somebody listens");
        until("it is unpacked", || bench.folder.unpacked.join("x").exists()).await;
        arrived.send(bench.arrived(b"no archive")).expect("somebody listens");
        drop(arrived);
        until("it is gone", || !bench.folder.unpacked.exists() && !bench.folder.archives.exists()).await;
        let why = unpacking.ended().await.expect_err("one part is none");
        assert!(why.contains("could not be unpacked"), "{why}");
    }

    #[tokio::test]
    async fn what_nobody_waits_for_is_not_unpacked() {
        let bench = Bench::new();
        let (unpacking, arrived) = Unpacking::begin(&bench.ctx, &bench.folder, 1);
        drop(unpacking);
        let (archive, part) = bench.arrived(&archive());
        arrived.send((archive.clone(), part)).expect("somebody listens");
        drop(arrived);
        until("all have gone", || Arc::strong_count(&bench.folder) == 1).await;
        assert!(!archive.exists() && !bench.folder.unpacked.exists());
    }

    #[tokio::test]
    async fn what_was_sent_is_unpacked_also_when_nobody_asks_for_it_yet() {
        let bench = Bench::new();
        let (unpacking, arrived) = Unpacking::begin(&bench.ctx, &bench.folder, 1);
        arrived.send(bench.arrived(&archive())).expect("somebody listens");
        drop(arrived);
        until("it is unpacked", || bench.folder.unpacked.join("x").exists()).await;
        unpacking.ended().await.expect("all is well");
        assert_eq!(std::fs::read(bench.folder.unpacked.join("x")).expect("it is there"), b"hello");
    }
}
