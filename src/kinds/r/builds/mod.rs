//! Builds that are kept: what one node built, no other builds again where everything that decides it is the same. What
//! is wrong with the store is a warning at most; then the package is built as if there were none.

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
use super::{PackageInstall, archive, build::BuildEnvironment, library, version::Version};
use crate::{
    facts::os::Os,
    fs::{self, Attributes, PartialFile},
    plan::RInstall,
    report::event::Progress,
    steps::{
        Context,
        blocking::{run_blocking, words},
        system_libraries::{LinkedLibraries, SystemLibraries},
        wait_budget::{LEASE, WaitBudget},
    },
    store::{Entry, Key, Kind, Lease, LeaseGuard, Store, Visibility},
};

/// What the packed package is in an entry.
const ROLE: &str = "package";
/// What the package links to, in an entry's facts.
const LINKS: &str = "links";
/// Objects are sent over networks, and unpacked by nodes that are in a hurry.
const COMPRESSION: Compression = Compression::new(4);

/// The builds of a step, with the store they are kept in. Cheap to clone.
#[derive(Clone)]
pub(super) struct Builds(Arc<Inner>);

struct Inner {
    store: Store,
    known: BTreeMap<String, KnownBuild>,
    libraries: SystemLibraries,
    library: PathBuf,
    r: Version,
    /// Archives on their way between store and library.
    folder: PathBuf,
    progress: Progress,
}

/// A package whose build has a name.
struct KnownBuild {
    key: Key,
    version: String,
    /// Whether it stays on this node, and no other's is taken: it is made of what not everybody may have, or only what is
    /// signed counts, and a build of another node has nobody's word.
    reach: Visibility,
}

/// How a package comes to be there.
pub(super) enum BuildSource {
    /// Its build is in the store, and here is the archive.
    FromStore(PathBuf),
    /// It is ours to build; others wait as long as the lease lives.
    Build(Option<LeaseGuard>),
    /// Another node builds it.
    Elsewhere,
}

impl Builds {
    /// Names the builds of these packages, each of which comes after those it needs; `None` when none can be kept.
    pub(super) async fn new(
        ctx: &Context,
        wanted: &RInstall,
        environment: &BuildEnvironment,
        work: &[PackageInstall],
        r: &Version,
    ) -> Option<Self> {
        // What the user's own settings do cannot be told.
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
        let is_private =
            |one: &PackageInstall| only_signed || one.url.as_ref().is_some_and(|url| ctx.http.has_login(url));
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

    /// KeyInputs how a package comes to be there. With `may_wait`, it may be left to another node that is at it.
    pub(super) async fn way(&self, package: &str, may_wait: bool) -> BuildSource {
        let Some(known) = self.0.known.get(package) else { return BuildSource::Build(None) };
        if let Some(archive) = self.look(package, known).await {
            return BuildSource::FromStore(archive);
        }
        if known.reach == Visibility::NodeOnly || !may_wait {
            return BuildSource::Build(None);
        }
        match self.0.store.lease(&known.key, LEASE).await {
            Lease::Held { .. } => BuildSource::Elsewhere,
            // Whoever had it may have published just now.
            Lease::Taken(guard) => match self.look(package, known).await {
                Some(archive) => BuildSource::FromStore(archive),
                None => BuildSource::Build(Some(guard)),
            },
        }
    }

    /// Waits until another node has built a package or is no longer at it, but not after a moment.
    pub(super) async fn wait(&self, package: &str, budget: &WaitBudget) {
        let Some(known) = self.0.known.get(package) else { return };
        let fits = |entry: &Entry| self.links_if_fitting(entry).is_some();
        budget.wait(&self.0.store, (Kind::RBuild, &known.key), fits).await;
    }

    /// The archive of a build that fits this node, brought here: from the node's own place, else from the shared one.
    async fn look(&self, package: &str, known: &KnownBuild) -> Option<PathBuf> {
        for &which in known.reach.tiers() {
            let Some(entry) = self.0.store.entry_in(which, Kind::RBuild, &known.key).await else { continue };
            if self.links_if_fitting(&entry).is_none() {
                continue;
            }
            let Some(member) = entry.object(ROLE) else {
                self.warn(package, "its entry has no object");
                continue;
            };
            let to = self.0.folder.join(format!("{}.tar.gz", member.sha256));
            if !self.0.store.object(&member.digest(), Some(member.size), &to, |_| ()).await {
                continue;
            }
            let (path, wanted, r) = (to.clone(), (package.to_owned(), known.version.clone()), self.0.r.clone());
            let read = move || -> Result<(), String> {
                let found = archive::description(&path, false)?;
                if (&found.name, &found.version_text) != (&wanted.0, &wanted.1) || found.built.is_none() {
                    return Err(format!("it holds {} {}", found.name, found.version_text));
                }
                found.misfit(&r).map_or(Ok(()), |why| Err(format!("it {why}")))
            };
            match run_blocking(read).await {
                Ok(()) => return Some(to),
                Err(why) => {
                    let _ = fs::remove(&to);
                    self.warn(package, &why);
                }
            }
        }
        None
    }

    /// What a build links to, if all of that is here in the same versions.
    fn links_if_fitting(&self, entry: &Entry) -> Option<LinkedLibraries> {
        let links: LinkedLibraries = serde_json::from_value(entry.facts.get(LINKS)?.clone()).ok()?;
        self.0.libraries.fits(&links).then_some(links)
    }

    /// Says that what the store has is not used.
    pub(super) fn warn(&self, package: &str, why: &str) {
        self.0.progress.warn(format!("the build of `{package}` in the store cannot be used: {why}"));
    }

    /// Keeps a package that was just built and found good. Goes on behind the run; the lease lives until others can see it.
    pub(super) fn keep(&self, package: &str, guard: Option<LeaseGuard>) {
        let (this, package) = (self.clone(), package.to_owned());
        self.0.store.spawn_background(async move {
            if let Err(why) = this.keep_now(&package).await {
                this.0.progress.warn(format!("the build of `{package}` is not kept in the store: {why}"));
            }
            drop(guard);
        });
    }

    async fn keep_now(&self, package: &str) -> Result<(), String> {
        let Some(known) = self.0.known.get(package) else { return Ok(()) };
        let to = self.0.folder.join(format!("{package}-{}.tar.gz", known.key.hex()));
        let (this, name, path) = (self.clone(), package.to_owned(), to.clone());
        let packing = move || this.pack(&name, &path);
        let links = run_blocking(packing).await?;
        let published = self.publish(known, &to, links).await;
        // The store has it under its own name.
        let _ = fs::remove(&to);
        published.map_err(|error| error.in_words())
    }

    fn pack(&self, package: &str, to: &Path) -> Result<LinkedLibraries, String> {
        let folder = self.0.library.join(package);
        let links = self.0.libraries.links(&folder)?;
        let built = folder.join("DESCRIPTION").metadata().and_then(|found| found.modified());
        let built = built.unwrap_or(SystemTime::UNIX_EPOCH).duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let packed = || -> Result<(), fs::FsError> {
            let partial = PartialFile::create(to, Attributes::mode(0o644))?;
            fs::pack(&folder, built.as_secs(), GzEncoder::new(partial, COMPRESSION))?
                .finish()
                .map_err(|source| fs::FsError::Io { path: to.to_owned(), verb: "written", source })?
                .commit()
        };
        packed().map_err(|error| words(&error))?;
        Ok(links)
    }

    async fn publish(
        &self,
        known: &KnownBuild,
        file: &Path,
        links: LinkedLibraries,
    ) -> Result<(), crate::store::StoreError> {
        let links = serde_json::to_value(links).unwrap_or(Value::Null);
        let facts = Map::from_iter([(LINKS.to_owned(), links)]);
        self.0.store.publish_file((Kind::RBuild, &known.key), ROLE, file, facts, known.reach).await
    }
}

/// What R was built for, by a package of its own that has compiled code.
fn platform(wanted: &RInstall) -> String {
    let stats = wanted.installed.get("stats").and_then(|stats| library::installed(&stats.library, "stats").ok());
    let platform = stats.and_then(|stats| stats.built?.platform);
    platform.unwrap_or_else(|| std::env::consts::ARCH.to_owned())
}

/// The names of all builds: that of a package holds those of the packages it needs.
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
                // R's own packages are as R is.
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
