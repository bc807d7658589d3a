//! Downloads the parts of a layer and unpacks them in parallel on all cores.

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

use super::{LayerError, manifest::Part};
use crate::{
    fs::{self, Limits, Staging, UnpackedNames},
    steps::{Context, blocking::run_blocking},
    task::TaskError,
};

/// The number of parts that are downloaded ahead of unpacking, in addition to one per core.
const AHEAD: usize = 4;
/// The maximum number of unpacking threads. A disk cannot keep more threads busy.
const MAX_WORKERS: usize = 32;

/// The folders of a layer that is being unpacked. They are removed when the last user drops them, so a step that
/// times out does not wait for an unpacking thread.
#[derive(Debug)]
pub(super) struct StagingFolder {
    pub(super) unpacked: Staging,
    /// The folder of downloaded parts. Each is removed after it was unpacked.
    pub(super) archives: PathBuf,
}

impl StagingFolder {
    fn clear(&self) {
        let _ = fs::remove_tree(&self.archives);
        self.unpacked.clear();
    }
}

impl Drop for StagingFolder {
    fn drop(&mut self) {
        self.clear();
    }
}

/// Downloaded parts that are being unpacked. Dropping it cancels the rest.
#[derive(Debug)]
pub(super) struct Unpacking {
    work: Arc<UnpackQueue>,
    ended: JoinHandle<Result<(), LayerError>>,
}

impl Unpacking {
    /// Downloads all parts. Parts are unpacked as they arrive, and unpacking continues after this returns.
    pub(super) async fn fetch(
        ctx: &Context,
        folder: &Arc<StagingFolder>,
        parts: Vec<Part>,
    ) -> Result<Self, LayerError> {
        let (unpacking, arrived) = Self::begin(ctx, folder, parts.len());
        let work = &unpacking.work;
        let fetch = |part: Part| {
            let (to, arrived) = (folder.archives.join(format!("{}.tar.zst", part.sha256)), arrived.clone());
            async move { if work.is_cancelled() { Ok(()) } else { fetch(ctx, to, part, arrived).await } }
        };
        let fetching = futures::stream::iter(parts).map(fetch).buffer_unordered(ctx.cores + AHEAD);
        let fetched = fetching.try_for_each(|()| std::future::ready(Ok(()))).await;
        // When the last sender is dropped, the workers finish.
        drop(arrived);
        if fetched.is_err() || work.is_cancelled() {
            work.cancel();
            // A retry can use the folder only after all workers have finished.
            let unpacked = unpacking.ended().await;
            return Err(fetched.and(unpacked).err().unwrap_or(LayerError::Cancelled));
        }
        Ok(unpacking)
    }

    /// Starts the threads that unpack the parts they receive, until the sender is dropped.
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
        let workers = join_all((0..ctx.cores.min(parts).min(MAX_WORKERS)).map(worker));
        let (progress, folder, of) = (ctx.progress.clone(), Arc::clone(folder), Arc::clone(&work));
        let waits_for_disk = ctx.waits_for_disk;
        let ended = tokio::spawn(async move {
            let mut ended = workers.await.into_iter().collect::<Result<(), LayerError>>();
            if waits_for_disk && ended.is_ok() && !of.is_cancelled() {
                // A package that is in its place is complete, also after a power loss.
                let unpacked = Arc::clone(&folder);
                ended =
                    run_blocking(move || Ok::<_, LayerError>(fs::sync_file_system(unpacked.unpacked.path())?)).await;
            }
            if ended.is_err() {
                // Other steps act now and may need the disk space.
                let clear = move || -> Result<(), LayerError> {
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

    /// Waits until all parts are unpacked.
    pub(super) async fn ended(mut self) -> Result<(), LayerError> {
        (&mut self.ended).await.map_err(TaskError::from)?
    }
}

impl Drop for Unpacking {
    fn drop(&mut self) {
        self.work.cancel();
    }
}

/// A downloaded part.
type FetchedPart = (PathBuf, Part);

async fn fetch(
    ctx: &Context,
    archive: PathBuf,
    part: Part,
    arrived: mpsc::Sender<FetchedPart>,
) -> Result<(), LayerError> {
    let object = part.object();
    if !ctx.store.object(&object.digest, Some(object.size), &archive, |_| ()).await {
        return Err(LayerError::MissingPart(object.digest.hex()[..12].to_owned()));
    }
    // The receiver is gone if unpacking was cancelled.
    let _ = arrived.send((archive, part));
    Ok(())
}

/// The state that the unpacking threads share.
#[derive(Debug)]
struct UnpackQueue {
    arrivals: Mutex<mpsc::Receiver<FetchedPart>>,
    /// The names in all parts. The checks of one part also apply to all parts together.
    seen: UnpackedNames,
    /// Whether unpacking was cancelled, because a part is unusable or the step ended.
    cancelled: AtomicBool,
}

impl UnpackQueue {
    fn cancel(&self) {
        self.cancelled.store(true, Ordering::Relaxed);
    }

    fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }

    /// Unpacks parts as they arrive. All parts of a thread share one decompression context.
    fn unpack_all(&self, into: &Staging) -> Result<(), LayerError> {
        let mut context = DCtx::create();
        loop {
            let next = self.arrivals.lock().unwrap_or_else(PoisonError::into_inner).recv();
            let Ok((archive, part)) = next else { return Ok(()) };
            let unpacked = if self.is_cancelled() { Ok(()) } else { self.unpack(&archive, &part, into, &mut context) };
            let _ = fs::remove(&archive);
            unpacked.inspect_err(|_| self.cancel())?;
        }
    }

    /// Unpacks one part within the limits of the manifest.
    fn unpack(
        &self,
        archive: &Path,
        part: &Part,
        into: &Staging,
        context: &mut DCtx<'static>,
    ) -> Result<(), LayerError> {
        let packed = fs::open_compressed(archive, context).map_err(LayerError::unreadable(archive))?;
        let limits = Limits { bytes: part.bytes, entries: part.entries };
        Ok(into.unpack(packed, limits, &self.seen)?)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{
        diagnostic::in_words,
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
            let unpacked = Staging::create_in(&temp.path().join("staging"), "x").expect("made");
            let archives = temp.path().join("archives");
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

    async fn until(what: &str, condition: impl Fn() -> bool) {
        let waiting = async {
            while !condition() {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), waiting).await.expect(what);
    }

    #[tokio::test]
    async fn a_damaged_part_is_removed_while_other_steps_act() {
        let bench = Bench::new();
        let (unpacking, arrived) = Unpacking::begin(&bench.ctx, &bench.folder, 1);
        arrived.send(bench.arrived(&archive())).expect("the receiver is open");
        until("it is unpacked", || bench.folder.unpacked.path().join("x").exists()).await;
        arrived.send(bench.arrived(b"no archive")).expect("the receiver is open");
        drop(arrived);
        until("it is gone", || !bench.folder.unpacked.place().exists() && !bench.folder.archives.exists()).await;
        let why = in_words(&unpacking.ended().await.expect_err("one part is not an archive"));
        assert!(why.contains("could not be unpacked"), "{why}");
    }

    #[tokio::test]
    async fn cancelled_parts_are_not_unpacked() {
        let bench = Bench::new();
        let (unpacking, arrived) = Unpacking::begin(&bench.ctx, &bench.folder, 1);
        drop(unpacking);
        let (archive, part) = bench.arrived(&archive());
        arrived.send((archive.clone(), part)).expect("the receiver is open");
        drop(arrived);
        until("all have gone", || Arc::strong_count(&bench.folder) == 1).await;
        let content = std::fs::read_dir(bench.folder.unpacked.path()).expect("it is readable");
        assert!(!archive.exists() && content.count() == 0);
    }

    #[tokio::test]
    async fn parts_are_unpacked_before_their_result_is_awaited() {
        let bench = Bench::new();
        let (unpacking, arrived) = Unpacking::begin(&bench.ctx, &bench.folder, 1);
        arrived.send(bench.arrived(&archive())).expect("the receiver is open");
        drop(arrived);
        until("it is unpacked", || bench.folder.unpacked.path().join("x").exists()).await;
        unpacking.ended().await.expect("all is well");
        assert_eq!(std::fs::read(bench.folder.unpacked.path().join("x")).expect("it is there"), b"hello");
    }
}
