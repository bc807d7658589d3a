//! Shares builds of R packages between nodes through the store. A build is used only where everything that affects
//! its result is the same. A problem with the store is at most a warning, and the package is then built on this node.

mod key;
mod toolchain;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
    time::SystemTime,
};

use flate2::{Compression, write::GzEncoder};
use serde_json::{Map, Value};

use self::key::{Dependency, KeyInputs};
use super::{
    archive::{self, ArchiveError},
    build::BuildEnvironment,
    library,
    package_install::PackageInstall,
    version::Version,
};
use crate::{
    diagnostic::in_words,
    facts::os::Os,
    fs::{self, Attributes, PartialFile},
    kinds::r::RInstall,
    report::event::Progress,
    steps::{
        Context,
        blocking::run_blocking,
        system_libraries::{LibraryError, LinkedLibraries, SystemLibraries},
        wait_budget::{LEASE, WaitBudget},
    },
    store::{Entry, Key, Kind, Lease, LeaseGuard, Store, StoreError, Visibility},
    task::TaskError,
};

/// The role of a packed package in an entry.
const ROLE: &str = "package";
/// The fact of an entry that lists the libraries which the package links to.
const LINKS: &str = "links";
/// A medium level, because objects are both transferred over networks and unpacked at node start.
const COMPRESSION: Compression = Compression::new(4);

/// The builds of a step and their store. Cheap to clone.
#[derive(Clone)]
pub(super) struct Builds(Arc<Inner>);

struct Inner {
    store: Store,
    known: BTreeMap<String, KnownBuild>,
    libraries: SystemLibraries,
    library: PathBuf,
    r: Version,
    /// The folder of archives between store and library.
    folder: PathBuf,
    progress: Progress,
}

/// A package whose build has a key.
struct KnownBuild {
    key: Key,
    version: String,
    /// `NodeOnly` if the package or one of its build dependencies came from a private repository, or if trusted keys
    /// are configured: no signature covers builds of other nodes.
    reach: Visibility,
}

/// The way in which a package gets installed.
pub(super) enum BuildSource {
    /// From the store; the archive was downloaded to this path.
    FromStore(PathBuf),
    /// Build it here. Other nodes wait as long as the lease is renewed.
    Build(Option<LeaseGuard>),
    /// Another node is building it.
    Elsewhere,
}

impl Builds {
    /// Computes the keys of all builds. `work` must be in dependency order. `None` if builds cannot be stored.
    pub(super) async fn new(
        ctx: &Context,
        wanted: &RInstall,
        environment: &BuildEnvironment,
        work: &[PackageInstall],
        r: &Version,
    ) -> Option<Self> {
        // The effect of a user's own build settings on the result is unknown.
        if !ctx.store.keeps() || environment.added_settings().is_none() || !work.iter().any(|one| one.source) {
            return None;
        }
        let compiled = work.iter().any(|one| one.source && one.compiled);
        let tools = if compiled { Some(toolchain::ask(ctx, environment).await?) } else { None };
        let archives: Vec<PathBuf> = work.iter().map(|one| one.archive.clone()).collect();
        let (root, home) = (ctx.root.clone(), wanted.installed.get("base").and_then(|base| base.library.parent()));
        let home = home.map(Path::to_owned);
        let looking = move || {
            let digests = archives.iter().map(|archive| key::sha256(archive)).collect::<Result<Vec<_>, _>>();
            let os = std::fs::read_to_string(root.join("etc/os-release")).unwrap_or_default();
            (digests, Os::parse(&os), SystemLibraries::read(&root, home.as_deref()))
        };
        let (digests, os, libraries) = crate::task::blocking(looking).await.ok()?;
        let common = KeyInputs {
            r: wanted.r_version.clone(),
            platform: platform(wanted),
            os: format!("{} {}", os.id, os.version),
            library: wanted.library.clone(),
            source: String::new(),
            needs: BTreeMap::new(),
            tools,
        };
        let only_signed = ctx.filestore.trusted().is_on();
        let is_private = |one: &PackageInstall| {
            only_signed || wanted.is_of_git(&one.name) || one.url.as_ref().is_some_and(|url| ctx.http.has_login(url))
        };
        Some(Self(Arc::new(Inner {
            store: ctx.store.clone(),
            known: known(&common, wanted, work, &digests.ok()?, is_private),
            libraries,
            library: wanted.library.clone(),
            r: r.clone(),
            folder: ctx.cache.join("r/built"),
            progress: ctx.progress.clone(),
        })))
    }

    /// Selects how a package gets installed. With `may_wait`, the build may be left to another node that has started
    /// it.
    pub(super) async fn source_of(&self, package: &str, may_wait: bool) -> BuildSource {
        let Some(known) = self.0.known.get(package) else { return BuildSource::Build(None) };
        if let Some(archive) = self.look(package, known).await {
            return BuildSource::FromStore(archive);
        }
        if known.reach == Visibility::NodeOnly || !may_wait {
            return BuildSource::Build(None);
        }
        match self.0.store.lease(&known.key, LEASE).await {
            Lease::Held { .. } => BuildSource::Elsewhere,
            // The previous holder of the lease may have published it just now.
            Lease::Taken(guard) => match self.look(package, known).await {
                Some(archive) => BuildSource::FromStore(archive),
                None => BuildSource::Build(Some(guard)),
            },
        }
    }

    /// Waits until another node has published the build or stopped building, within the budget.
    pub(super) async fn wait(&self, package: &str, budget: &WaitBudget) {
        let Some(known) = self.0.known.get(package) else { return };
        let fits = |entry: &Entry| self.links_if_fitting(entry).is_some();
        budget.wait(&self.0.store, (Kind::RBuild, &known.key), fits).await;
    }

    /// The archive of a usable build, downloaded from this node's store or the shared one.
    async fn look(&self, package: &str, known: &KnownBuild) -> Option<PathBuf> {
        for &which in known.reach.tiers() {
            let Some(entry) = self.0.store.entry_in(which, Kind::RBuild, &known.key).await else { continue };
            if self.links_if_fitting(&entry).is_none() {
                continue;
            }
            let Some(member) = entry.object(ROLE) else {
                self.warn(package, "its entry lists no object");
                continue;
            };
            let to = self.0.folder.join(format!("{}.tar.gz", member.sha256));
            if !self.0.store.object(&member.digest(), Some(member.size), &to, |_| ()).await {
                continue;
            }
            let (path, wanted, r) = (to.clone(), (package.to_owned(), known.version.clone()), self.0.r.clone());
            let check = move || {
                let found = archive::description(&path, false)?;
                if (&found.name, &found.version_text) != (&wanted.0, &wanted.1) || found.built.is_none() {
                    return Err(ArchiveError::other_package(found));
                }
                found.misfit(&r).map_or(Ok(()), |reason| Err(ArchiveError::Misfit(reason)))
            };
            match run_blocking(check).await {
                Ok(()) => return Some(to),
                Err(error) => {
                    let _ = fs::remove(&to);
                    self.warn(package, &in_words(&error));
                }
            }
        }
        None
    }

    /// The libraries that a build links to, if the node has all of them in the same versions.
    fn links_if_fitting(&self, entry: &Entry) -> Option<LinkedLibraries> {
        let links: LinkedLibraries = serde_json::from_value(entry.facts.get(LINKS)?.clone()).ok()?;
        self.0.libraries.fits(&links).then_some(links)
    }

    /// Warns that a build in the store is not used.
    pub(super) fn warn(&self, package: &str, why: &str) {
        self.0.progress.warn(format!("the build of `{package}` in the store cannot be used: {why}"));
    }

    /// Publishes a new, verified build in the background. The lease is held until other nodes can see the entry.
    pub(super) fn keep(&self, package: &str, guard: Option<LeaseGuard>) {
        let (this, package) = (self.clone(), package.to_owned());
        self.0.store.spawn_background(async move {
            if let Err(error) = this.keep_now(&package).await {
                let why = in_words(&error);
                this.0.progress.warn(format!("the build of `{package}` was not stored: {why}"));
            }
            drop(guard);
        });
    }

    async fn keep_now(&self, package: &str) -> Result<(), PublishError> {
        let Some(known) = self.0.known.get(package) else { return Ok(()) };
        let to = self.0.folder.join(format!("{package}-{}.tar.gz", known.key.hex()));
        let (this, name, path) = (self.clone(), package.to_owned(), to.clone());
        let packing = move || this.pack(&name, &path);
        let links = run_blocking(packing).await?;
        let published = self.publish(known, &to, links).await;
        // The store now has its own copy.
        let _ = fs::remove(&to);
        Ok(published?)
    }

    fn pack(&self, package: &str, to: &Path) -> Result<LinkedLibraries, PublishError> {
        let folder = self.0.library.join(package);
        let links = self.0.libraries.links_of_package(&folder)?;
        let built = folder.join("DESCRIPTION").metadata().and_then(|found| found.modified());
        let built = built.unwrap_or(SystemTime::UNIX_EPOCH).duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let packed = || -> Result<(), fs::FsError> {
            let partial = PartialFile::create(to, Attributes::mode(0o644))?;
            fs::pack(&folder, built.as_secs(), GzEncoder::new(partial, COMPRESSION))?
                .finish()
                .map_err(|source| fs::FsError::Io { path: to.to_owned(), verb: "written", source })?
                .commit()
        };
        packed()?;
        Ok(links)
    }

    async fn publish(&self, known: &KnownBuild, file: &Path, links: LinkedLibraries) -> Result<(), StoreError> {
        let links = serde_json::to_value(links).unwrap_or(Value::Null);
        let facts = Map::from_iter([(LINKS.to_owned(), links)]);
        self.0.store.publish_file((Kind::RBuild, &known.key), ROLE, file, facts, known.reach).await
    }
}

/// Why a build was not published.
#[derive(Debug, thiserror::Error)]
enum PublishError {
    #[error(transparent)]
    Libraries(#[from] LibraryError),
    #[error(transparent)]
    Files(#[from] fs::FsError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("a worker thread failed")]
    Thread(#[from] TaskError),
}

/// The platform of R, from the metadata of one of its compiled packages.
fn platform(wanted: &RInstall) -> String {
    let stats = wanted.installed.get("stats").and_then(|stats| library::installed(&stats.library, "stats").ok());
    let platform = stats.and_then(|stats| stats.built?.platform);
    platform.unwrap_or_else(|| std::env::consts::ARCH.to_owned())
}

/// The keys of all builds. The key of a package contains the keys of its build dependencies.
fn known(
    common: &KeyInputs,
    wanted: &RInstall,
    work: &[PackageInstall],
    digests: &[String],
    is_private: impl Fn(&PackageInstall) -> bool,
) -> BTreeMap<String, KnownBuild> {
    let mut known: BTreeMap<String, KnownBuild> = BTreeMap::new();
    let mut needs: BTreeMap<&str, Dependency> = BTreeMap::new();
    for (one, digest) in work.iter().zip(digests) {
        if !one.source {
            needs.insert(&one.name, Dependency::Unpacked(digest.clone()));
            continue;
        }
        let of_need = |name: &String| {
            let installed = || match wanted.installed.get(name) {
                // R's own packages are covered by the version of R.
                Some(found) if found.base => None,
                Some(found) => Some(Dependency::Installed(found.version.clone())),
                None => None,
            };
            Some((name.clone(), needs.get(name.as_str()).cloned().or_else(installed)?))
        };
        let decides = KeyInputs {
            source: digest.clone(),
            needs: one.requires.iter().filter_map(of_need).collect(),
            tools: common.tools.clone().filter(|_| one.compiled),
            ..common.clone()
        };
        let key = decides.key();
        needs.insert(&one.name, Dependency::Built(key.hex().to_owned()));
        let is_of_here = |name: &String| known.get(name).is_some_and(|need| need.reach == Visibility::NodeOnly);
        let reach = Visibility::of(one.requires.iter().any(is_of_here) || is_private(one));
        known.insert(one.name.clone(), KnownBuild { key, version: one.version.clone(), reach });
    }
    known
}

#[cfg(test)]
mod tests;
