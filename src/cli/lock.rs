//! `nodeagent lock`: resolves a profile for this runtime, writes the lock, and compares locks.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use clap::Args;

use super::{
    CommandError, Env, Exit,
    error::failed,
    packages::run_with_deadline,
    plan::refused,
    print, print_json,
    target::{
        NodeOptions, ProfileOptions, ProfileRequest, has_bucket_folders, load_profile, load_unlocked,
        load_with_folders, read_lock, this_node,
    },
};
use crate::{
    diagnostic::Diagnostic,
    digest::Digest,
    facts::{AccessMode, ClusterName, NodeFacts, Role, os::Os},
    fs::{Attributes, replace},
    inventory::{Inventory, Vault},
    kinds::Profile,
    kinds::{Node, Upgrade},
    lock::{BucketFolders, Difference, Lock, LockFile, Section, difference},
    profile::{Asset, Sections as _},
    run::{Job, Stop, list_bucket_folders, resolve_lock},
};

/// Options of `lock`.
#[derive(Debug, Args)]
pub(super) struct Options {
    #[command(flatten)]
    profile: ProfileOptions,
    /// The lock file to write [default: the one beside the profile]
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Only check that the lock matches the profile, for CI; needs no network and no node of the runtime
    #[arg(long, conflicts_with_all = ["upgrade", "diff"])]
    check: bool,
    /// Allow newer versions of these packages, and newer commits of these `[git]` folders; without names, of all
    #[arg(long, value_name = "NAME", num_args = 0..)]
    upgrade: Option<Vec<String>>,
    /// Show the changes since the lock OLD; without OLD, show the changes that locking now would make. Writes nothing
    #[arg(long, value_name = "OLD", num_args = 0..=1)]
    #[expect(clippy::option_option, reason = "an option with a value that may be left out")]
    diff: Option<Option<PathBuf>>,
    /// Print the changes as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    node: NodeOptions,
}

pub(super) fn run(env: &Env, options: &Options) -> Result<Exit, CommandError> {
    if options.node.is_of_another_runtime() {
        let mistake = Diagnostic::nowhere("a lock is made on a node with its runtime, not for another node");
        let hint = "`--role`, `--environment`, `--mode`, `--cluster-name` and `--access-mode` are the only facts that may differ from this node";
        return Err(mistake.hint(hint).into());
    }
    if options.check {
        return check(env, options);
    }
    let facts = options.node.over(this_node(env));
    let wanted = options.profile.wanted(&facts);
    let mut profile = load_unlocked(env, &wanted)?;
    let path = lock_path(env, &profile, options)?;
    let before = current(env, &profile, &path)?;
    if let Some(Some(old)) = &options.diff {
        let old = read(old)?.ok_or_else(|| missing_lock(&old.display().to_string()))?;
        let new = before.map_or_else(|| Err(missing_lock(&env.filestore()?.shown(&path))), Ok)?;
        return show(&difference(Some(&old.lock), &new.lock), options);
    }
    let before = before.map(|file| file.lock);
    if has_bucket_folders(&profile) {
        let list = async |job: &Arc<Job>, stop: &Stop| Box::pin(list_bucket_folders(job, stop)).await;
        let listed = run_with_deadline(env, "lock", profile, facts.clone(), list)?;
        let folders = listed.map_err(|refusals| refused(&refusals))?;
        profile = load_with_folders(env, &wanted, false, &folders)?;
    }
    let (name, files) = (profile.name.clone(), profile.files.clone());
    let section = resolve(env, profile, facts, before.as_ref(), &upgrade(options))?;
    let (lock, gone) = Lock::with(before.as_ref(), &name, files, section);
    for gone in gone {
        let text = "the profile changed; run `nodeagent lock` again on such a node";
        env.console.stderr.print(&format!("warning: another section for {} was removed: {text}\n", gone.runtime));
    }
    let difference = difference(before.as_ref(), &lock);
    if options.diff.is_none() && (before.as_ref() != Some(&lock) || !path.exists()) {
        replace(&path, lock.render().as_bytes(), Attributes::mode(0o644)).map_err(|error| failed(error.to_string()))?;
        env.console.stderr.print(&format!("wrote {} (serial {})\n", path.display(), lock.serial));
    }
    show(&difference, options)
}

fn upgrade(options: &Options) -> Upgrade {
    match &options.upgrade {
        None => Upgrade::Nothing,
        Some(names) if names.is_empty() => Upgrade::All,
        Some(names) => Upgrade::Names(names.iter().cloned().collect()),
    }
}

fn show(difference: &Difference, options: &Options) -> Result<Exit, CommandError> {
    if options.json { print_json(difference) } else { print(&difference.render()) }
}

/// The path of the lock.
fn lock_path(env: &Env, profile: &Profile, options: &Options) -> Result<PathBuf, CommandError> {
    if let Some(output) = &options.output {
        return Ok(output.clone());
    }
    let no_place = |why: &str, hint: String| {
        let mistake = Diagnostic::nowhere(format!("the lock cannot be beside the profile `{}`: {why}", profile.name));
        CommandError::from(mistake.hint(hint))
    };
    let Some(path) = &profile.path else {
        let hint = "use `--output FILE`; `run --lock FILE` reads the lock from there";
        return Err(no_place("the profile is built into nodeagent", hint.to_owned()));
    };
    let (store, beside) = (env.filestore()?, path.with_extension("lock"));
    let writes = !options.check && options.diff.is_none();
    if writes && store.is_remote(&beside) {
        let hint = format!("use `--output FILE`, and copy the file to `{}`", store.shown(&beside));
        return Err(no_place("the file store is remote", hint));
    }
    Ok(beside)
}

/// The present lock. If the local file does not exist, the lock in a remote file store is used, because it has the
/// sections of other runtimes.
fn current(env: &Env, profile: &Profile, path: &Path) -> Result<Option<LockFile>, CommandError> {
    let store = env.filestore()?;
    let beside = profile.path.as_ref().map(|path| path.with_extension("lock"));
    let remote = beside.filter(|beside| store.is_remote(beside));
    let named = if store.is_remote(path) { None } else { read(path)? };
    match (named, remote) {
        (None, Some(beside)) => read_lock(env, &beside),
        (named, _) => Ok(named),
    }
}

fn read(path: &Path) -> Result<Option<LockFile>, CommandError> {
    let label = path.display().to_string();
    match std::fs::read(path) {
        Ok(bytes) => {
            let lock = Lock::parse(&label, &bytes).map_err(CommandError::Mistakes)?;
            Ok(Some(LockFile { label, lock }))
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Diagnostic::nowhere(format!("the lock `{label}` could not be read: {error}")).into()),
    }
}

fn missing_lock(label: &str) -> CommandError {
    let mistake = Diagnostic::nowhere(format!("there is no lock `{label}`"));
    mistake.hint("run `nodeagent lock --profile NAME` on a node with the runtime").into()
}

fn resolve(
    env: &Env,
    profile: Profile,
    facts: NodeFacts,
    before: Option<&Lock>,
    upgrade: &Upgrade,
) -> Result<Section, CommandError> {
    let work = async |job: &Arc<Job>, stop: &Stop| Box::pin(resolve_lock(job, before, upgrade, stop)).await;
    let resolved = run_with_deadline(env, "lock", profile, facts, work)?;
    resolved.map_err(|refusals| refused(&refusals))
}

/// Checks that each section still matches the requests of the profile on its runtime.
fn check(env: &Env, options: &Options) -> Result<Exit, CommandError> {
    let here = options.node.over(this_node(env));
    let load = |facts: &NodeFacts, folders: Option<&BucketFolders>| {
        let wanted = ProfileRequest { lenient: true, ..options.profile.wanted(facts) };
        let profile = load_profile(env, &wanted, options.output.as_deref())?;
        match folders {
            Some(folders) if !folders.is_empty() => load_with_folders(env, &wanted, true, folders),
            _ => Ok(profile),
        }
    };
    let profile = load(&here, None)?;
    let path = lock_path(env, &profile, options)?;
    let file = match &options.output {
        Some(path) => read(path)?,
        None => match &profile.path {
            Some(path) => read_lock(env, &path.with_extension("lock"))?,
            None => None,
        },
    };
    let file = file.map_or_else(|| Err(missing_lock(&env.filestore()?.shown(&path))), Ok)?;
    let mut reasons = file.lock.changed_files(&profile.files);
    if file.lock.profile != profile.name {
        reasons.push(format!("the lock is for the profile `{}`", file.lock.profile));
    }
    if file.lock.sections.is_empty() {
        reasons.push("the lock has no section".to_owned());
    }
    let store = env.filestore()?;
    for section in &file.lock.sections {
        let facts = facts_of_section(section, here.clone());
        let profile = load(&facts, Some(&section.folders))?;
        let node = Node::look(&profile, &store, &facts, &env.root, Vault::default())
            .map_err(|error| failed(format!("the profile's files could not be read: {error}")))?;
        let runtime = &section.runtime;
        let only = Lock { sections: vec![section.clone()], ..file.lock.clone() };
        let differences = only.section(runtime, &node.asks(&profile)).err().unwrap_or_default();
        reasons.extend(differences.into_iter().map(|why| format!("{runtime}: {why}")));
        reasons.extend(
            changed_assets(&profile, &node.inventory, section).into_iter().map(|why| format!("{runtime}: {why}")),
        );
    }
    reasons.dedup();
    if reasons.is_empty() {
        let sections = crate::report::text::counted(file.lock.sections.len(), "section");
        env.console
            .stderr
            .print(&format!("the lock {} matches: serial {}, {sections}\n", file.label, file.lock.serial));
        return Ok(Exit::Done);
    }
    let drift = file.drift(reasons);
    let hint =
        format!("review the changes, then run `nodeagent lock --profile {}` on a node with the runtime", profile.name);
    Err(Diagnostic::nowhere(drift.to_string()).causes(drift.reasons).hint(hint).into())
}

fn changed_assets(profile: &Profile, inventory: &Inventory, section: &Section) -> Vec<String> {
    let mut reasons = Vec::new();
    for named in profile.sections.assets() {
        let Some(found) = inventory.asset(named.file) else {
            if !named.optional {
                reasons.push(format!("the file `{}` is not in the file store", named.file.path));
            }
            continue;
        };
        let path = &named.file.path;
        if let (Asset::Address(_), Some(locked)) = (&found.asset, section.asset(path)) {
            // The server may serve another file now. A run uses the locked file.
            if found.digest.as_ref().is_some_and(|digest| *digest != locked.sha256) {
                reasons.push(format!("the digest of `{path}` has changed"));
            }
            continue;
        }
        match (section.asset(path), found.asset.bytes()) {
            (None, _) => reasons.push(format!("the file `{path}` is not in the lock")),
            (_, Err(error)) => reasons.push(format!("the file `{path}` could not be read: {error}")),
            (Some(locked), Ok(bytes)) if Digest::sha256(&bytes) != locked.sha256 => {
                reasons.push(format!("the file `{path}` has changed"));
            }
            _ => {}
        }
    }
    reasons
}

/// The facts of the node that a section was made on, as far as the lock has them.
fn facts_of_section(section: &Section, mut facts: NodeFacts) -> NodeFacts {
    facts.os = Os::from_name(&section.runtime.os.replacen(' ', "-", 1));
    facts.arch.clone_from(&section.runtime.arch);
    facts.runtime.clone_from(&section.runtime.version);
    for (name, value) in &section.conditions {
        let value = Some(value.clone());
        match name.as_str() {
            "role" => facts.role = value.map(|role| if role == "driver" { Role::Driver } else { Role::Worker }),
            "environment" => facts.environment = value,
            "mode" => facts.mode = value,
            "business-unit" => facts.business_unit = value,
            "cluster-name" => {
                facts.cluster = value.as_deref().and_then(ClusterName::parse);
                facts.cluster_name = value;
            }
            "access-mode" => facts.access_mode = value.as_deref().and_then(AccessMode::parse),
            _ => {}
        }
    }
    facts
}
