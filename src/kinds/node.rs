//! The node for planning: the inventory and the state that each kind needs. Makes the plan.

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
};

use super::{
    accounts,
    contract::LookAt,
    created::created_by_steps,
    list::{Action, Looks, Plan, Profile, Sections},
    stages::stage_of,
    unencrypted,
};
use crate::{
    digest::Digest,
    facts::{Dpkg, NodeFacts, users::Users},
    inventory::{Inventory, SignedFiles, Vault},
    lock::{BucketFolders, Drift, LockFile, LockedGit, Runtime, Section},
    plan::{self, Common, EarlierWork, LaterFile, Layer, LockInUse, Phase, Planner, Resource, StepOptions},
    problem::Problem,
    profile::{self, Asset, AssetRef, Assets, FileStore, NamedAsset, RunStage, Sections as _},
    state::Receipt,
};

/// A node as a profile needs it.
#[derive(Debug)]
pub struct Node {
    /// Packages, users, files of the file store, the receipt, secrets.
    pub inventory: Inventory,
    looks: Looks,
    /// The entries of the stage. `None` if the profile has one stage only.
    sections: Option<Sections>,
    /// Signed files on servers that this node has not verified yet. Plans use a digest for them that no file has.
    pub unverified: Vec<AssetRef>,
    /// See [`Common::is_for_lock`].
    pub is_for_lock: bool,
    /// See [`Common::launched_commits`].
    pub launched_commits: Vec<LockedGit>,
}

impl Node {
    /// Inspects the node below a root. The secrets are fetched already.
    ///
    /// # Errors
    /// If dpkg's state cannot be read.
    pub fn look(
        profile: &Profile,
        store: &FileStore,
        facts: &NodeFacts,
        root: &Path,
        vault: Vault,
    ) -> io::Result<Self> {
        let (users, receipt) = (Users::read(root), Receipt::read(root));
        let sections = stage_of(profile);
        let own = sections.as_ref().unwrap_or(&profile.sections);
        // Files and services may belong to a user that an earlier step creates.
        let users = accounts::with_planned(&own.accounts, users, |name| {
            receipt.created_account(&profile.name, &format!("users.{name}"))
        });
        let withheld = &profile.sections.secrets.withheld;
        let at = LookAt { root, facts, users: &users, receipt: &receipt, profile: &profile.name, withheld };
        let (looks, dpkg) = own.look(&at, || Dpkg::read(root));
        let mut inventory = Inventory::new(root, dpkg?, users, receipt, vault);
        let assets = Assets { store, unit: profile.business_unit.as_deref(), folders: None };
        // The launch finds the files of both stages.
        let named = profile.sections.assets();
        inventory.find_assets(&named, &assets, created_by_steps(own, &named, store.trusted().is_on(), root));
        Ok(Self {
            inventory,
            looks,
            sections,
            unverified: Vec::new(),
            is_for_lock: false,
            launched_commits: Vec::new(),
        })
    }

    /// Sets the digests of files on servers, by their names in the profile.
    pub fn pin(&mut self, profile: &Profile, digests: &BTreeMap<String, Digest>) {
        for named in profile.sections.assets() {
            if let Some(digest) = digests.get(&named.file.path).filter(|_| !named.file.urls.is_empty()) {
                self.inventory.pin(named.file, digest.clone());
            }
        }
    }

    /// Sets the digests of signed files on servers that this node has verified before. The others need a download.
    pub fn pin_signed(&mut self, profile: &Profile, store: &FileStore, facts: &NodeFacts, cache: &Path) {
        let section = self.lock_in_use(profile, facts).ok().flatten().map(|lock| lock.section);
        let is_locked = |file: &AssetRef| section.is_some_and(|section| section.asset(&file.path).is_some());
        let assets = Assets { store, unit: profile.business_unit.as_deref(), folders: None };
        let records = SignedFiles { cache };
        for NamedAsset { file, origin, .. } in profile.sections.assets() {
            let Some(signed) = file.signed_by.as_ref().filter(|_| !is_locked(file)) else { continue };
            if self.inventory.asset(file).is_none_or(|found| found.digest.is_some()) {
                continue;
            }
            let known = match signed.key.identity(&assets, origin) {
                Ok(Some(key)) => records.digest(file, &key),
                // A key on a server is fetched with the file. A key that cannot be used is reported then.
                Ok(None) | Err(_) => None,
            };
            if known.is_none() {
                self.unverified.push(file.clone());
            }
            self.inventory.pin(file, known.unwrap_or_else(SignedFiles::placeholder_digest));
        }
    }

    /// The files of the file store that the post-start stage uses: each with its path for messages and its
    /// expected digest.
    pub fn later_assets(&self, profile: &Profile) -> Vec<(PathBuf, String, Option<Digest>)> {
        let sections = needed_later(profile);
        let found = |named: &NamedAsset<'_>| {
            let found = self.inventory.asset(named.file)?;
            match &found.asset {
                // An absolute path is a file of the node.
                Asset::File { path, shown } if Path::new(&named.file.path).is_relative() => {
                    let expected = found.digest.clone().or_else(|| found.bytes.as_deref().map(Digest::sha256));
                    Some((path.clone(), shown.clone(), expected))
                }
                Asset::File { .. } | Asset::BuiltIn { .. } | Asset::Address(_) | Asset::Created(_) => None,
            }
        };
        sections.assets().iter().filter_map(found).collect()
    }

    /// The commits that the lock has for the repositories of the post-start stage.
    pub fn later_commits(&self, profile: &Profile, facts: &NodeFacts) -> Vec<LockedGit> {
        let Ok(Some(lock)) = self.lock_in_use(profile, facts) else { return Vec::new() };
        let later = needed_later(profile);
        let is_later = |git: &&LockedGit| later.git.0.contains_key(Path::new(&git.folder));
        lock.section.git.iter().filter(is_later).cloned().collect()
    }

    /// The files of folders in buckets, by the section of the lock for this node. `None` without such a section.
    pub fn locked_folders<'a>(&self, profile: &'a Profile, facts: &NodeFacts) -> Option<&'a BucketFolders> {
        Some(&self.lock_in_use(profile, facts).ok()??.section.folders)
    }

    /// Removes the packages that runs and users added, if the packages of the runtime are known. A lock is made for a
    /// fresh node.
    pub fn as_shipped(&mut self) {
        self.inventory.as_shipped();
        self.looks.as_shipped(&self.inventory.receipt);
    }

    /// The runtime that a resolution depends on.
    pub fn runtime(&self, facts: &NodeFacts) -> Runtime {
        let mut runtime = plan::runtime(facts);
        self.looks.runtime(&mut runtime);
        runtime
    }

    /// The requests of a profile to package tools, one line each, sorted. Equal lines have equal resolutions.
    pub fn asks(&self, profile: &Profile) -> Vec<String> {
        profile.sections.asks(&self.inventory)
    }

    /// The reasons why a lock of the profile cannot be made on this node.
    pub fn lacks(&self, profile: &Profile) -> Vec<String> {
        profile.sections.lacks(&self.looks, &self.inventory)
    }

    /// The steps that bring the node to the state of a profile, in order. `cache` is the agent's cache, which receives
    /// verified copies of files.
    pub fn plan(&self, profile: &Profile, facts: &NodeFacts, cache: &Path) -> Plan {
        let mut plan = Plan::default();
        let lock = match self.lock_in_use(profile, facts) {
            Ok(lock) => lock,
            Err(drift) => {
                plan.refusals.push(plan::not_fitting(&drift));
                return plan;
            }
        };
        plan.lock = lock.map(Into::into);
        let common = self.common(profile, facts, cache, lock);
        missing_files(&common, &mut plan);
        let for_lock = self.is_for_lock.then(|| profile.sections.for_lock());
        let own = for_lock.as_ref().or(self.sections.as_ref()).unwrap_or(&profile.sections);
        plan.refusals.extend(profile.sections.assets().iter().filter_map(|named| without_digest(&common, named)));
        // The launch decides about both stages.
        let used = if common.stage == RunStage::Launch { &profile.sections } else { own };
        plan.refusals.extend(unencrypted::refusals(used, &common));
        let paths = plan_later(profile, &common, &mut plan);
        own.plan(&self.looks, &common, &paths, &mut plan);
        plan::refuse_missing_paths(&mut plan);
        match plan::into_order(std::mem::take(&mut plan.steps)) {
            Ok(steps) => plan.steps = steps,
            Err(cycle) => plan.refusals.push(cycle),
        }
        plan
    }

    /// The layers of a profile on this node, or the reasons why none is possible.
    ///
    /// # Errors
    /// If the lock does not match.
    pub fn layers(&self, profile: &Profile, facts: &NodeFacts) -> Result<Vec<Result<Layer, String>>, Problem> {
        let lock = self.lock_in_use(profile, facts).map_err(|drift| plan::not_fitting(&drift))?;
        Ok(profile.sections.layers(&self.looks, &self.common(profile, facts, Path::new(""), lock)))
    }

    fn common<'a>(
        &'a self,
        profile: &'a Profile,
        facts: &'a NodeFacts,
        cache: &'a Path,
        lock: Option<LockInUse<'a>>,
    ) -> Common<'a> {
        let logins = profile.sections.logins();
        // Without logins the addresses are not needed, and reading them costs time.
        let addresses = if logins.is_empty() { Vec::new() } else { profile.sections.addresses(&self.inventory) };
        Common {
            profile: &profile.name,
            stage: profile.stage,
            post_start: &profile.post_start,
            only_digests: profile.only_digests,
            facts,
            inventory: &self.inventory,
            cache,
            lock,
            launched_commits: &self.launched_commits,
            logins,
            addresses,
            is_for_lock: self.is_for_lock,
        }
    }

    /// The lock with its section for this node.
    fn lock_in_use<'a>(&self, profile: &'a Profile, facts: &NodeFacts) -> Result<Option<LockInUse<'a>>, Drift> {
        let Some(file) = &profile.lock else { return Ok(None) };
        let section = self.fitting(profile, facts, file)?;
        Ok(Some(LockInUse { label: &file.label, serial: file.lock.serial, section }))
    }

    /// The section of a lock for this node.
    fn fitting<'a>(&self, profile: &Profile, facts: &NodeFacts, file: &'a LockFile) -> Result<&'a Section, Drift> {
        let section = file.fitting(&profile.files, &self.runtime(facts), &self.asks(profile))?;
        plan::check_assets(file, section, &profile.sections.assets(), &self.inventory)?;
        Ok(section)
    }
}

/// The entries of the post-start stage, and the values that its run needs.
fn needed_later(profile: &Profile) -> Sections {
    let mut sections = profile.sections.clone();
    profile::Sections::retain_stage(&mut sections, RunStage::PostStart);
    sections
}

/// Plans the post-start stage: the order of its entries, and the files from servers that they use. Returns the
/// paths of these entries.
fn plan_later(profile: &Profile, common: &Common<'_>, plan: &mut Plan) -> Vec<PathBuf> {
    if profile.stage != RunStage::Launch || profile.post_start.entries.is_empty() {
        return Vec::new();
    }
    for NamedAsset { file, origin, optional, .. } in needed_later(profile).assets() {
        if !file.urls.is_empty() {
            let mut stage = Vec::new();
            common.usable(file, origin, &mut stage);
            let later = |stage| LaterFile { stage, optional, known_failure: None };
            plan.later_files.extend(stage.into_iter().map(later));
        }
    }
    if !plan.later_files.is_empty() {
        plan.later_logins = common.logins_of(&["files", "installers", "hooks", "cert"]);
    }
    let later = profile.sections.of_stage(RunStage::PostStart);
    plan.refusals.extend(later.git.unlocked_branches(common));
    let outline = later.outline();
    let created = outline.iter().flat_map(|options| &options.creates).filter_map(|created| match created {
        Resource::Path(path) => Some(path.clone()),
        Resource::User(_) | Resource::Group(_) | Resource::Package(_) => None,
    });
    let paths = created.collect();
    match plan::later(outline) {
        Ok(steps) => plan.later = steps,
        Err(cycle) => plan.refusals.push(cycle),
    }
    paths
}

/// The refusal of a file on a server whose digest nothing names.
fn without_digest(common: &Common<'_>, named: &NamedAsset<'_>) -> Option<Problem> {
    let found = common.inventory.asset(named.file)?;
    let has_digest = found.digest.is_some() || common.locked_asset(named.file).is_some();
    if has_digest || !named.lacks_digest(common.only_digests) {
        return None;
    }
    if named.file.is_bucket_folder() {
        let problem = Problem::new(format!("no lock has the files of the folder `{}`", named.file.path));
        let hint = "run `nodeagent lock`, which writes the names and the digests of its files into the lock";
        return Some(problem.hint(hint.to_owned()).asked_at(named.origin.clone()));
    }
    let problem = Problem::new(format!("`{}` has no digest", named.file.path));
    let hint = "add its `sha256` or `signed-by`, or run `nodeagent lock`, which writes the digest into the lock";
    Some(problem.hint(hint.to_owned()).asked_at(named.origin.clone()))
}

/// Refuses the run for each missing file. If the file is optional, plans a step that fails.
fn missing_files(common: &Common<'_>, plan: &mut Plan) {
    let earlier = EarlierWork::default();
    let mut planner = Planner::<Action>::new(common, "file", &earlier);
    for (missing, optional) in &common.inventory.missing {
        let problem = Problem::new(missing.message.clone()).hint(missing.hint.clone()).asked_at(missing.origin.clone());
        if !*optional {
            planner.refuse_with(problem);
            continue;
        }
        let id = format!("file:{}", missing.path.display());
        let options = StepOptions {
            optional: true,
            ..StepOptions::for_origins(vec![missing.origin.clone()], id.clone(), Phase::Settings)
        };
        planner.step(id, Action::MissingFile(missing.path.clone()), options);
        planner.known_failure(problem);
    }
    let draft = planner.finish();
    plan.steps.extend(draft.steps);
    plan.refusals.extend(draft.refusals);
}
