//! `nodeagent check`: checks profiles, locks and access files, for this node or another.

use std::{path::Path, sync::Arc};

use clap::Args;
use serde_json::json;

use super::{
    CommandError, Env, Exit,
    notes::notes,
    print, print_json,
    target::{NodeOptions, ProfileRequest, assignment, load_profile, this_node},
};
use crate::{
    auth::{Access, AccessRequest, Identity, decide, foreign_profile},
    diagnostic::Diagnostic,
    facts::NodeFacts,
    kinds::{Profile, created_by_run},
    lock::Lock,
    profile::{ACCESS, AssetProof, Assets, FileStore, Sections as _, show},
    report::{Verbosity, text::counted},
};

/// Options of `check`.
#[derive(Debug, Args)]
pub(super) struct Options {
    /// Name or path of a profile; repeatable
    #[arg(short, long = "profile", value_name = "NAME|PATH")]
    profiles: Vec<String>,
    /// Names or paths of profiles, paths of access files, and paths of locks (with the extension .lock)
    #[arg(required_unless_present = "profiles", value_name = "NAME|PATH")]
    files: Vec<String>,
    /// Print the merged profile, each value with the line that set it
    #[arg(long, conflicts_with = "json")]
    show: bool,
    /// Also check that every file of the profile is in the file store and has the right digest
    #[arg(long)]
    assets: bool,
    /// Print mistakes as JSON
    #[arg(long)]
    json: bool,
    /// Set a variable that the profile declares in [vars]
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = assignment)]
    sets: Vec<(String, String)>,
    #[command(flatten)]
    node: NodeOptions,
}

pub(super) fn run(env: &Env, options: &Options) -> Result<Exit, CommandError> {
    let mut checked = Checked::default();
    let (locks, others): (Vec<&String>, Vec<&String>) = options.files.iter().partition(|name| is_lock(name));
    let (access_files, names): (Vec<&String>, Vec<&String>) = others.into_iter().partition(|name| is_access_file(name));
    let names: Vec<&String> = options.profiles.iter().chain(names).collect();
    for path in locks {
        checked.locks += usize::from(checked.keep(read_lock(path))?.is_some());
    }
    let access = checked.access(env, &access_files, !names.is_empty())?;
    let facts = options.node.over(this_node(env));
    for name in names {
        let loaded =
            load_profile(env, &ProfileRequest { name, sets: &options.sets, facts: &facts, lenient: true }, None);
        let Some(profile) = checked.keep(loaded)? else { continue };
        checked.mistakes.extend(foreign_unit(env, &profile, &facts, &access));
        if options.assets {
            checked.mistakes.extend(missing_assets(env, &profile)?);
        }
        checked.notes.extend(notes(env, name, &profile, &facts));
        checked.profiles.push(profile);
    }
    let Checked { mistakes, notes, profiles, access_files, locks } = checked;
    if options.json {
        print_json(&mistakes.iter().map(to_json).collect::<Vec<_>>())?;
        return Ok(if mistakes.is_empty() { Exit::Done } else { Exit::Refused });
    }
    if !mistakes.is_empty() {
        return Err(CommandError::Mistakes(mistakes));
    }
    if options.show {
        let pages: Vec<String> = profiles.iter().map(show).collect();
        return print(&pages.join("\n"));
    }
    let checked = [(profiles.len(), "profile"), (access_files, "access file"), (locks, "lock")];
    let checked: Vec<String> =
        checked.into_iter().filter(|(count, _)| *count > 0).map(|(count, what)| counted(count, what)).collect();
    if env.console.verbosity > Verbosity::Quiet {
        for note in notes {
            env.console.stderr.print(&format!("note: {note}\n"));
        }
        env.console.stderr.print(&format!("{} sound\n", checked.join(" and ")));
    }
    Ok(Exit::Done)
}

/// The files that were checked.
#[derive(Default)]
struct Checked {
    mistakes: Vec<Diagnostic>,
    /// Notes about profiles without mistakes.
    notes: Vec<String>,
    /// The profiles without mistakes.
    profiles: Vec<Profile>,
    /// The number of access files without mistakes.
    access_files: usize,
    /// The number of locks without mistakes.
    locks: usize,
}

impl Checked {
    /// Collects the mistakes of a file. Other errors end the command.
    fn keep<T>(&mut self, result: Result<T, CommandError>) -> Result<Option<T>, CommandError> {
        match result {
            Ok(value) => Ok(Some(value)),
            Err(CommandError::Mistakes(found)) => {
                self.mistakes.extend(found);
                Ok(None)
            }
            Err(other) => Err(other),
        }
    }

    /// Checks access files and returns the grants of the last one. Without a path, profiles are checked against the
    /// access file of the file store. If there is no file store, loading the profiles reports it.
    fn access(&mut self, env: &Env, paths: &[&String], has_profiles: bool) -> Result<Access, CommandError> {
        let of_store = (paths.is_empty() && has_profiles && env.filestore().is_ok()).then(|| env.access());
        let mut access = Access::default();
        for read in of_store.into_iter().chain(paths.iter().map(|path| read_access_file(env, path))) {
            if let Some(found) = self.keep(read)? {
                self.access_files += usize::from(!found.is_off());
                access = found;
            }
        }
        Ok(access)
    }
}

/// Whether an argument is an access file, by its file name or by its tables.
fn is_access_file(name: &str) -> bool {
    let path = Path::new(name);
    let is_path = name.contains('/') || path.extension().is_some_and(|ending| ending == "toml");
    path.file_name().is_some_and(|file| file == ACCESS)
        || (is_path && std::fs::read_to_string(path).is_ok_and(|text| Access::is_recognized_in(&text)))
}

/// Whether an argument is a lock.
fn is_lock(name: &str) -> bool {
    Path::new(name).extension().is_some_and(|ending| ending == "lock")
}

fn read_lock(path: &str) -> Result<Lock, CommandError> {
    let unread = |error| {
        let mistake = Diagnostic::nowhere(format!("`{path}` could not be read: {error}"));
        CommandError::from(mistake.hint("check the path"))
    };
    let bytes = std::fs::read(path).map_err(unread)?;
    Lock::parse(path, &bytes).map_err(CommandError::Mistakes)
}

fn read_access_file(env: &Env, path: &str) -> Result<Access, CommandError> {
    if !env.trusted()?.is_on() {
        return match std::fs::read(path) {
            Ok(bytes) => Access::parse(path, &bytes).map_err(CommandError::Mistakes),
            Err(error) => {
                let mistake = Diagnostic::nowhere(format!("`{path}` could not be read: {error}"));
                Err(mistake.hint("check the path").into())
            }
        };
    }
    let here = FileStore::local(".").trusting(Arc::clone(env.trusted()?));
    match here.access_at(Path::new(path))? {
        Some((label, bytes)) => env.parse_access(&label, &bytes),
        None => Err(Diagnostic::nowhere(format!("there is no `{path}`")).hint("check the path").into()),
    }
}

/// A diagnostic for a profile of another unit than the cluster's, unless a grant allows it to any identity. Whether the
/// grant applies to this node is checked when the node runs it.
fn foreign_unit(env: &Env, profile: &Profile, facts: &NodeFacts, access: &Access) -> Option<Diagnostic> {
    let (unit, clusters) = profile.business_unit.as_ref().zip(facts.business_unit.as_ref())?;
    let request = AccessRequest::UseProfile { unit: unit.clone() };
    let node = Identity::of_node(facts, &env.root);
    if decide(access, &node, &request).allowed || access.is_granted_to_any(&request) {
        return None;
    }
    let (message, hint) = foreign_profile(&profile.name, unit, clusters);
    Some(Diagnostic::nowhere(message).hint(hint))
}

fn to_json(mistake: &Diagnostic) -> serde_json::Value {
    let mistake = mistake.without_hidden_values();
    json!({
        "message": mistake.message,
        "label": mistake.label,
        "causes": mistake.causes,
        "hint": mistake.hint,
        "origin": mistake.origin(),
    })
}

fn missing_assets(env: &Env, profile: &Profile) -> Result<Vec<Diagnostic>, CommandError> {
    let store = env.filestore()?;
    let assets = Assets { store: &store, unit: profile.business_unit.as_deref(), folders: None };
    let may_be_created = created_by_run(profile, &store, &env.root);
    let missing = profile.sections.assets().into_iter().filter(|named| !may_be_created(named)).filter_map(|named| {
        let asset = match assets.verified(named.file, named.origin) {
            Ok(asset) => asset,
            Err(missing) => return Some(missing.with_creation_hint(&named, &env.root, store.trusted().is_on())),
        };
        match named.proof {
            AssetProof::Fingerprints | AssetProof::RepositoryChecksum => None,
            AssetProof::Digest => assets.digest(named.file, &asset, named.origin).err(),
        }
    });
    Ok(missing
        .map(|missing| {
            Diagnostic::nowhere(format!("{} (asked for at {})", missing.message, missing.origin)).hint(missing.hint)
        })
        .collect())
}
