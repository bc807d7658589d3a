//! Installs packages along their dependency graph on all cores. A failed package blocks only the packages that depend
//! on it.

use std::{
    collections::BTreeMap,
    future::ready,
    path::{Path, PathBuf},
};

use futures::{StreamExt as _, stream::FuturesUnordered};
use jiff::Timestamp;

use super::{
    archive,
    build::BuildEnvironment,
    build_log,
    builds::{BuildSource, Builds},
    hints::{self, Remedy},
    library::{self, InstallGuard},
    package_install::PackageInstall,
    queue::{Queue, Task},
    slots::{Slot, Slots},
    version::Version,
};
use crate::{
    exec::ExecError,
    fs::{self, Limits, UnpackedNames},
    report::event::{Amount, Unit},
    steps::{Context, blocking::run_blocking, wait_budget::WaitBudget},
    task::TaskError,
};

/// If less space than this is free, the disk was probably full during the build.
const TIGHT: u64 = 4 << 20;

/// A package that could not be installed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct FailedPackage {
    /// The name of the package.
    pub(super) package: String,
    /// Whether a build failed. Otherwise unpacking failed.
    pub(super) built: bool,
    /// The relevant lines of the tool's output.
    pub(super) lines: Vec<String>,
    /// The remedy, if known.
    pub(super) remedy: Option<Remedy>,
    /// The file with the full output.
    pub(super) log: Option<PathBuf>,
    /// The packages that were not installed because they depend on it.
    pub(super) blocked: Vec<String>,
}

/// The outcome of installing a package.
enum Outcome {
    Installed,
    Failed(FailedPackage),
    /// Another node is building it, so it must be looked up again later.
    Elsewhere,
}

/// Installs packages into a library.
pub(super) struct PackageInstaller<'a> {
    pub(super) ctx: &'a Context,
    pub(super) environment: &'a BuildEnvironment,
    /// The builds in the store, if builds are stored.
    pub(super) builds: Option<Builds>,
    pub(super) library: PathBuf,
    pub(super) r: Version,
}

impl PackageInstaller<'_> {
    /// Installs all packages in dependency order. Returns the failed packages in the order of `work`.
    pub(super) async fn install(&self, work: &[PackageInstall]) -> Vec<FailedPackage> {
        let tasks: Vec<Task> = work.iter().map(PackageInstall::task).collect();
        let by_name: BTreeMap<&str, &PackageInstall> = work.iter().map(|work| (work.name.as_str(), work)).collect();
        let mut queue = Queue::new(&tasks);
        let mut slots = Slots::new(self.ctx.build_slots.as_ref(), self.ctx.cores);
        let (mut running, mut waiting) = (FuturesUnordered::new(), FuturesUnordered::new());
        let mut budgets: BTreeMap<&str, WaitBudget> = BTreeMap::new();
        let mut failed = Vec::new();
        let mut begun = 0;
        loop {
            let (nothing_runs, nobody_waits) = (running.is_empty(), waiting.is_empty());
            let ended = tokio::select! {
                biased;
                Some(ended) = running.next(), if !nothing_runs => Some(ended),
                Some(name) = waiting.next(), if !nobody_waits => {
                    queue.put_back(name);
                    None
                }
                slot = slots.acquire(nothing_runs), if queue.has_ready() => {
                    if let Some(work) = queue.take().and_then(|name| by_name.get(name.as_str()).copied()) {
                        begun += 1;
                        let may_wait = budgets.get(work.name.as_str()).is_none_or(|budget| !budget.is_exhausted());
                        running.push(self.install_one(work, slot, (begun, tasks.len() as u64), may_wait));
                    }
                    None
                }
                else => break,
            };
            match ended {
                None => {}
                Some((work, Outcome::Installed)) => queue.succeeded(&work.name),
                Some((work, Outcome::Elsewhere)) => {
                    begun -= 1;
                    let budget =
                        budgets.entry(&work.name).or_insert_with(|| WaitBudget::new(work.cost(), self.ctx.cores));
                    waiting.push(self.wait(&work.name, *budget));
                }
                Some((work, Outcome::Failed(failure))) => {
                    queue.failed(&work.name);
                    failed.push(FailedPackage { blocked: queue.blocked_by(&work.name), ..failure });
                }
            }
        }
        failed.sort_by_key(|failure| tasks.iter().position(|task| task.name == failure.package));
        failed
    }

    /// Installs one package and verifies it.
    async fn install_one<'w>(
        &self,
        work: &'w PackageInstall,
        slot: Slot,
        number: (u64, u64),
        may_wait: bool,
    ) -> (&'w PackageInstall, Outcome) {
        let verb = if work.source { "build" } else { "unpack" };
        let done = match library::lock(&self.library, &work.name) {
            Some(lock) => self.timed(work, verb, "", number, ready(Err(InstallError::locked(&lock)))).await,
            None if work.source => match self.take_or_build(work, number, may_wait).await {
                Some(done) => done,
                None => return (work, Outcome::Elsewhere),
            },
            None => self.timed(work, verb, "", number, self.unpack(&work.name, &work.archive)).await,
        };
        drop(slot);
        let Err(InstallError { lines, remedy }) = done else { return (work, Outcome::Installed) };
        let log = Some(self.environment.log(&work.name)).filter(|log| work.source && log.exists());
        let package = work.name.clone();
        (work, Outcome::Failed(FailedPackage { package, built: work.source, lines, remedy, log, blocked: Vec::new() }))
    }

    /// Installs a package from the store, or builds and publishes it. `None` if another node is building it.
    async fn take_or_build(
        &self,
        work: &PackageInstall,
        number: (u64, u64),
        may_wait: bool,
    ) -> Option<Result<(), InstallError>> {
        let way = match &self.builds {
            Some(builds) => builds.source_of(&work.name, may_wait).await,
            None => BuildSource::Build(None),
        };
        let guard = match way {
            BuildSource::Elsewhere => return None,
            BuildSource::Build(guard) => guard,
            BuildSource::FromStore(archive) => {
                let unpacking = self.unpack(&work.name, &archive);
                let done = self.timed(work, "unpack", " from the store", number, unpacking).await;
                // The store keeps its own copy.
                let _ = fs::remove(&archive);
                match (done, &self.builds) {
                    // The cause is on this node, such as a full disk, so a build would fail too.
                    (Err(failure), Some(builds)) if failure.remedy.is_none() => {
                        builds.warn(&work.name, &failure.lines.join(": "));
                    }
                    (done, _) => return Some(done),
                }
                None
            }
        };
        let done = self.timed(work, "build", "", number, self.build(work)).await;
        if let (Ok(()), Some(builds)) = (&done, &self.builds) {
            builds.keep(&work.name, guard);
        }
        Some(done)
    }

    /// Runs an installation, verifies the package and reports the duration.
    async fn timed(
        &self,
        work: &PackageInstall,
        verb: &str,
        how: &str,
        (number, count): (u64, u64),
        doing: impl Future<Output = Result<(), InstallError>>,
    ) -> Result<(), InstallError> {
        let amount = Amount { done: number, total: count, unit: Unit::Pieces };
        self.ctx.progress.now(format!("{verb}ing {}{how}", work.name), Some(amount));
        let started = Timestamp::now();
        // Exit statuses are not reliable, so the library is checked.
        let look = || {
            library::verify(&self.library, &work.name, work.expected(), &self.r)
                .map_err(|error| InstallError::from_line(error.to_string()))
        };
        let done = doing.await.and_then(|()| look());
        self.ctx.progress.task_finished(format!("{verb} {}{how}", work.name), started, done.is_ok());
        done
    }

    /// Waits for a package that another node is building.
    async fn wait<'w>(&self, package: &'w str, budget: WaitBudget) -> &'w str {
        let started = Timestamp::now();
        self.ctx.progress.now(format!("waiting for {package}, which another node builds"), None);
        if let Some(builds) = &self.builds {
            builds.wait(package, &budget).await;
        }
        self.ctx.progress.task_finished(format!("wait for {package}, which another node builds"), started, true);
        package
    }

    async fn build(&self, work: &PackageInstall) -> Result<(), InstallError> {
        let temporary = self.environment.temporary(&work.name);
        fs::remove_tree(&temporary).and_then(|()| fs::create_dirs(&temporary, 0o755))?;
        let cmd = self.environment.command(&work.name, &work.archive);
        let in_work = InstallGuard::new(&self.library, &work.name);
        let ended = self.ctx.runner.run(&cmd).await;
        let places = [self.library.as_path(), self.environment.folder()];
        // Leftover temporary files only take disk space.
        let _ = fs::remove_tree(&temporary);
        match ended {
            Ok(done) => {
                let output = format!("{}\n{}", done.stdout, done.stderr);
                if done.code == 0 || output.contains("failed to lock directory") {
                    // The installation is complete, or another process holds the lock.
                    in_work.ended();
                }
                if done.code == 0 { Ok(()) } else { Err(InstallError::from_output(&output).or_disk_full(&places)) }
            }
            Err(error) => {
                let mut failure = InstallError::from_output(error.stderr());
                failure.lines.insert(0, error.to_string());
                if let ExecError::NotStarted { .. } = error {
                    let words = "install R (`r-base-core`), or name its program in the profile";
                    failure.remedy = Some(Remedy::Words(words.into()));
                }
                if let Some(hint) = error.hint() {
                    failure.remedy = Some(Remedy::Words(hint));
                }
                Err(failure)
            }
        }
    }

    async fn unpack(&self, package: &str, archive: &Path) -> Result<(), InstallError> {
        let (staging, archive) = (library::staging(&self.library, package)?, archive.to_owned());
        let unpacking = move || {
            let stream = archive::open(&archive)
                .map_err(|error| InstallError::from_line(format!("`{}` cannot be read: {error}", archive.display())))?;
            staging.unpack(stream, Limits::default(), &UnpackedNames::default())?;
            Ok::<_, InstallError>(staging)
        };
        let staging = run_blocking(unpacking).await?;
        // On this thread: a blocking thread would continue after the step is cancelled.
        Ok(library::swap_in(&staging, package)?)
    }
}

/// Why a package could not be installed.
struct InstallError {
    lines: Vec<String>,
    remedy: Option<Remedy>,
}

impl InstallError {
    fn from_line(line: String) -> Self {
        Self { lines: vec![line], remedy: None }
    }

    fn from_output(output: &str) -> Self {
        Self { lines: build_log::relevant_lines(output), remedy: hints::remedy(output) }
    }

    /// R rarely reports a full disk. It has already cleaned up, so a nearly full disk counts as full.
    fn or_disk_full(mut self, places: &[&Path]) -> Self {
        if let Some(place) = places.iter().find(|place| fs::has_few_inodes(place)).filter(|_| self.remedy.is_none()) {
            self.lines.insert(0, format!("the file system of `{}` has no free inodes", place.display()));
            self.remedy = Some(Remedy::Words(hints::FULL.into()));
        }
        let tight = |place: &&&Path| fs::free_bytes(place).is_some_and(|free| free < TIGHT);
        if let Some(place) = places.iter().find(tight).filter(|_| self.remedy.is_none()) {
            let free = fs::free_bytes(place).unwrap_or_default() / 1024;
            self.lines.insert(0, format!("`{}` has only {free} KiB free", place.display()));
            self.remedy = Some(Remedy::Words(hints::FULL.into()));
        }
        self
    }

    fn locked(lock: &Path) -> Self {
        let lock = lock.display().to_string();
        Self { lines: vec![format!("`{lock}` exists")], remedy: Some(Remedy::Words(hints::locked(&lock))) }
    }
}

impl From<TaskError> for InstallError {
    fn from(error: TaskError) -> Self {
        Self::from_line(error.to_string())
    }
}

impl From<fs::FsError> for InstallError {
    fn from(error: fs::FsError) -> Self {
        let cause = std::error::Error::source(&error).map(ToString::to_string);
        let lines = std::iter::once(error.to_string()).chain(cause).collect();
        Self { lines, remedy: error.hint().map(Remedy::Words) }
    }
}
