//! Options that several commands share: the profile, its lock and the node.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use clap::{ArgGroup, Args};

use super::{CommandError, Env, env::variables, error::failed, metadata::NodeMetadata};
use crate::{
    diagnostic::Diagnostic,
    facts::{AccessMode, ClusterName, ENVIRONMENTS, NodeFacts, Role, os::Os},
    inventory::Vault,
    kinds::{Node, Profile, load},
    lock::{BucketFolders, Lock, LockFile},
    profile::{Decisions, Metadata, ProfileError, Request, Sections as _},
    trust::Trusted,
};

/// A profile and its variables.
#[derive(Debug, Clone, Args)]
#[command(group(ArgGroup::new("which").args(["profile", "name"]).required(true)))]
pub(super) struct ProfileOptions {
    /// Name or path of the profile
    #[arg(short, long, value_name = "NAME|PATH")]
    profile: Option<String>,
    /// Name or path of the profile, without `--profile`
    #[arg(value_name = "PROFILE")]
    name: Option<String>,
    /// Set a variable that the profile declares in [vars]
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = assignment)]
    pub(super) sets: Vec<(String, String)>,
}

impl ProfileOptions {
    /// The name or path of the profile.
    pub(super) fn name(&self) -> &str {
        self.profile.as_ref().or(self.name.as_ref()).map_or("", String::as_str)
    }

    /// The profile, to be loaded for a node.
    pub(super) fn wanted<'a>(&'a self, facts: &'a NodeFacts) -> ProfileRequest<'a> {
        ProfileRequest { name: self.name(), sets: &self.sets, facts, lenient: false }
    }
}

pub(super) fn assignment(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("write it as NAME=VALUE")?;
    Ok((name.trim().to_owned(), value.to_owned()))
}

fn runtime(text: &str) -> Result<String, String> {
    let numbers = text.split(['.', '-']).map_while(|part| part.parse::<u32>().ok()).count();
    if numbers > 0 { Ok(text.to_owned()) } else { Err("write it as numbers, such as 17.3".to_owned()) }
}

fn system(text: &str) -> Result<String, String> {
    Os::spelling_hint(text).map_or_else(|| Ok(text.to_owned()), Err)
}

/// The lock of a run.
#[derive(Debug, Clone, Default, Args)]
pub(super) struct LockOptions {
    /// Refuse to run without a matching lock
    #[arg(long, conflicts_with = "unlocked")]
    locked: bool,
    /// Ignore the lock
    #[arg(long)]
    unlocked: bool,
    /// The lock [default: the file with the extension .lock beside the profile, if it exists]
    #[arg(long, value_name = "FILE", conflicts_with = "unlocked")]
    lock: Option<PathBuf>,
}

impl LockOptions {
    /// Requires a lock: the given one, or the one beside the profile.
    pub(super) fn needed(lock: Option<PathBuf>) -> Self {
        Self { locked: true, unlocked: false, lock }
    }
}

/// Another node than this one.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "The node to check for (default: this one)")]
pub(super) struct NodeOptions {
    /// Runtime version, such as 17.3
    #[arg(long, value_name = "VERSION", value_parser = runtime)]
    runtime: Option<String>,
    /// Role in the cluster
    #[arg(long, value_parser = ["driver", "worker"])]
    role: Option<String>,
    /// Access mode of the cluster
    #[arg(long, value_parser = ["dedicated", "standard", "no-isolation"])]
    access_mode: Option<String>,
    /// Environment by the naming convention
    #[arg(long, value_parser = ENVIRONMENTS)]
    environment: Option<String>,
    /// Mode by the naming convention
    #[arg(long, value_parser = ["Discovery", "Operational"])]
    mode: Option<String>,
    /// The cluster's name, which determines environment, mode and business unit
    #[arg(long, value_name = "NAME")]
    cluster_name: Option<String>,
    /// Operating system, such as ubuntu-22.04
    #[arg(long, value_name = "ID[-VERSION]", value_parser = system)]
    os: Option<String>,
    /// Processor architecture
    #[arg(long, value_parser = ["amd64", "arm64"])]
    arch: Option<String>,
}

impl NodeOptions {
    /// Whether the options name a runtime other than that of this node.
    pub(super) fn is_of_another_runtime(&self) -> bool {
        self.runtime.is_some() || self.os.is_some() || self.arch.is_some()
    }

    /// The facts of this node, overridden by the options.
    pub(super) fn over(&self, mut facts: NodeFacts) -> NodeFacts {
        if let Some(name) = &self.cluster_name {
            facts.cluster = ClusterName::parse(name);
            facts.cluster_name = Some(name.clone());
            facts.environment = facts.cluster.as_ref().map(|cluster| cluster.environment.clone());
            facts.mode = facts.cluster.as_ref().map(|cluster| cluster.mode.clone());
            facts.business_unit = facts.cluster.as_ref().map(|cluster| cluster.business_unit.clone());
            facts.runtime = facts.cluster.as_ref().and_then(|cluster| cluster.runtime.clone()).or(facts.runtime);
        }
        facts.runtime = self.runtime.clone().or(facts.runtime);
        match self.role.as_deref() {
            Some("driver") => facts.role = Some(Role::Driver),
            Some(_) => facts.role = Some(Role::Worker),
            None => {}
        }
        facts.access_mode = self.access_mode.as_deref().map_or(facts.access_mode, AccessMode::parse);
        facts.environment = self.environment.clone().or(facts.environment);
        facts.mode = self.mode.clone().or(facts.mode);
        facts.arch = self.arch.clone().unwrap_or(facts.arch);
        if let Some(os) = &self.os {
            facts.os = Os::from_name(os);
        }
        facts
    }
}

/// The facts of this node. A mistake in the node file ends the command when its other settings are used.
pub(super) fn this_node(env: &Env) -> NodeFacts {
    let file = env.node_file().ok();
    let insecure_http = file.map(|file| file.insecure_http.clone()).unwrap_or_default();
    let waits_for_disk = file.is_some_and(|file| file.waits_for_disk);
    NodeFacts { insecure_http, waits_for_disk, ..NodeFacts::gather(&env.root, variables()) }
}

/// A profile to load, and the node to load it for.
#[derive(Debug, Clone, Copy)]
pub(super) struct ProfileRequest<'a> {
    /// Name or path of the profile.
    pub(super) name: &'a str,
    /// Values of its variables.
    pub(super) sets: &'a [(String, String)],
    /// The node.
    pub(super) facts: &'a NodeFacts,
    /// Whether unknown facts may stay unreplaced.
    pub(super) lenient: bool,
}

impl ProfileRequest<'_> {
    /// Loads the profile. `locked`: whether a verified lock has the digests of its packages. `launched`: for the stage
    /// after the launch, the decisions of the launch about conditions. `folders`: the files of folders in buckets.
    fn load(
        &self,
        env: &Env,
        locked: bool,
        launched: Option<&Decisions>,
        folders: Option<&BucketFolders>,
    ) -> Result<Profile, CommandError> {
        let store = env.filestore()?;
        let sets: BTreeMap<String, String> = self.sets.iter().cloned().collect();
        let metadata = NodeMetadata { env, facts: self.facts };
        let request = Request {
            name: self.name,
            store: &store,
            facts: self.facts,
            sets: &sets,
            lenient: self.lenient,
            metadata: (!self.lenient).then_some(&metadata as &dyn Metadata),
            launched,
            locked,
            folders,
        };
        load(&request).map_err(|ProfileError(mistakes)| CommandError::Mistakes(mistakes))
    }
}

/// Loads a profile without its lock.
pub(super) fn load_unlocked(env: &Env, wanted: &ProfileRequest<'_>) -> Result<Profile, CommandError> {
    wanted.load(env, false, None, None)
}

/// Loads a profile with the files of its folders in buckets. `locked`: whether the digests of its packages are known.
pub(super) fn load_with_folders(
    env: &Env,
    wanted: &ProfileRequest<'_>,
    locked: bool,
    folders: &BucketFolders,
) -> Result<Profile, CommandError> {
    wanted.load(env, locked, None, Some(folders))
}

/// Whether a profile names folders in buckets whose files it does not have yet.
pub(super) fn has_bucket_folders(profile: &Profile) -> bool {
    profile.sections.assets().iter().any(|named| named.file.is_bucket_folder())
}

/// Loads a profile for the post-start stage. The launch has verified the lock and kept its digests.
pub(super) fn load_stage(
    env: &Env,
    wanted: &ProfileRequest<'_>,
    decisions: &Decisions,
    folders: &BucketFolders,
) -> Result<Profile, CommandError> {
    wanted.load(env, true, Some(decisions), Some(folders))
}

/// Loads a profile for a command that installs no packages. With trusted keys, its lock is verified and trusted as in a
/// run. Without trusted keys, the lock is not read.
pub(super) fn load_profile(
    env: &Env,
    wanted: &ProfileRequest<'_>,
    lock: Option<&Path>,
) -> Result<Profile, CommandError> {
    let trusted = env.trusted()?;
    if !trusted.is_on() {
        return load_unlocked(env, wanted);
    }
    // A command may load several profiles. The signed files of one say nothing about the files of another.
    trusted.digests().clear();
    load_with_lock(env, wanted, lock, false)
}

/// Loads a profile and the lock for its run.
pub(super) fn load_locked(
    env: &Env,
    of: &ProfileOptions,
    options: &LockOptions,
    facts: &NodeFacts,
) -> Result<Profile, CommandError> {
    let wanted = of.wanted(facts);
    if options.unlocked {
        return load_unlocked(env, &wanted);
    }
    load_with_lock(env, &wanted, options.lock.as_deref(), options.locked)
}

/// Loads a profile and its lock: the given one, which must exist, or the one beside the profile. `required`: whether
/// the profile must have a lock.
fn load_with_lock(
    env: &Env,
    wanted: &ProfileRequest<'_>,
    lock: Option<&Path>,
    required: bool,
) -> Result<Profile, CommandError> {
    let path = match lock {
        Some(path) => Some(path.to_owned()),
        None => env.filestore()?.lock_path(wanted.name, wanted.facts.business_unit.as_deref())?,
    };
    let file = path.map(|path| read_lock(env, &path)).transpose()?.flatten();
    if let (None, Some(path)) = (&file, lock) {
        let missing = Diagnostic::nowhere(format!("there is no lock `{}`", path.display()));
        return Err(missing.hint("check the path").into());
    }
    // A signed lock vouches for every file that it lists by digest, including the files of the profile.
    if let Some(file) = &file {
        trust_digests(env.trusted()?, file)?;
    }
    let mut profile = wanted.load(env, file.is_some(), None, None)?;
    if file.is_none()
        && let Err(why) = env.trusted()?.check_absence(&serial_of(&profile.name))
    {
        let missing = format!("the lock of the profile `{}` is not trusted: {why}", profile.name);
        return Err(Diagnostic::nowhere(missing).hint(why.hint("the lock")).into());
    }
    if file.is_none() && required {
        let mistake = Diagnostic::nowhere(format!("there is no lock for the profile `{}`", profile.name));
        let hint = "create one with `nodeagent lock` on a node with this runtime, or run without `--locked`";
        return Err(mistake.hint(hint).into());
    }
    if let Some(file) = file.as_ref().filter(|file| file.lock.profile != profile.name) {
        let message = format!("the lock `{}` is for the profile `{}`", file.label, file.lock.profile);
        return Err(Diagnostic::nowhere(message)
            .hint(format!("name the lock of the profile `{}`", profile.name))
            .into());
    }
    if let Some(file) = file.as_ref().filter(|_| has_bucket_folders(&profile)) {
        return with_locked_folders(env, wanted, profile, file);
    }
    profile.lock = file;
    Ok(profile)
}

/// Loads a profile again, with the files that a lock has for its folders in buckets. Which section of the lock applies
/// depends on the node and on the loaded profile, so each listing in the lock is tried.
fn with_locked_folders(
    env: &Env,
    wanted: &ProfileRequest<'_>,
    unlisted: Profile,
    file: &LockFile,
) -> Result<Profile, CommandError> {
    let store = env.filestore()?;
    let mut listings: Vec<&BucketFolders> = Vec::new();
    for section in &file.lock.sections {
        if !section.folders.is_empty() && !listings.contains(&&section.folders) {
            listings.push(&section.folders);
        }
    }
    let mut nearest = None;
    for folders in listings {
        let mut profile = wanted.load(env, true, None, Some(folders))?;
        profile.lock = Some(file.clone());
        let node = Node::look(&profile, &store, wanted.facts, &env.root, Vault::default())
            .map_err(|error| failed(format!("the node's package state could not be read: {error}")))?;
        if node.locked_folders(&profile, wanted.facts) == Some(folders) {
            return Ok(profile);
        }
        nearest.get_or_insert(profile);
    }
    // No section applies. The plan reports the differences.
    Ok(nearest.unwrap_or_else(|| Profile { lock: Some(file.clone()), ..unlisted }))
}

/// Reads a lock; `None` if it does not exist. With trusted keys it must be signed.
pub(super) fn read_lock(env: &Env, path: &Path) -> Result<Option<LockFile>, CommandError> {
    let Some((label, bytes)) = env.filestore()?.signed_text(path)? else { return Ok(None) };
    let lock = Lock::parse(&label, &bytes).map_err(CommandError::Mistakes)?;
    Ok(Some(LockFile { label, lock }))
}

/// Trusts the digests in a signed lock, unless this node has already used a lock with a higher serial.
fn trust_digests(trusted: &Trusted, file: &LockFile) -> Result<(), CommandError> {
    let LockFile { label, lock } = file;
    if !trusted.is_on() {
        return Ok(());
    }
    trusted
        .check_serial(&serial_of(&lock.profile), Some(lock.serial))
        .map_err(|why| Diagnostic::nowhere(format!("`{label}` is not trusted: {why}")).hint(why.hint(label)))?;
    lock.digests().for_each(|digest| trusted.digests().add(digest.clone(), label));
    Ok(())
}

/// The key under which the serial of a profile's lock is stored.
fn serial_of(profile: &str) -> String {
    format!("lock:{profile}")
}

/// Parses a duration option.
pub(super) fn duration(text: &str) -> Result<std::time::Duration, String> {
    let duration = humantime::parse_duration(text).map_err(|_| "write it as 90s, 10m or 1h 30m".to_owned())?;
    if duration.is_zero() { Err("it must be longer than zero".to_owned()) } else { Ok(duration) }
}
