//! `nodeagent check`: whether profiles are sound, for this node or one that is elsewhere.

use std::{path::Path, sync::Arc};

use clap::Args;
use serde_json::json;

use super::{
    CommandError, Env, Exit, print, print_json,
    target::{NodeOptions, assignment, load_profile, this_node},
};
use crate::{
    auth::{Access, AccessRequest, Identity, decide, foreign_profile},
    diagnostic::Diagnostic,
    facts::NodeFacts,
    lock::Lock,
    profile::{ACCESS, Assets, FileStore, Profile, show},
    report::text::counted,
};

/// Options of `check`.
#[derive(Debug, Args)]
pub(super) struct Options {
    /// Names or paths of profiles; a path of an access file is checked as one, and one that ends in .lock as a lock
    #[arg(required = true, value_name = "NAME|PATH")]
    profiles: Vec<String>,
    /// Print the merged profile, each value with the line that set it
    #[arg(long, conflicts_with = "json")]
    show: bool,
    /// Check, too, that every file the profile names is in the file store and has the digest it should
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
    let facts = options.node.over(this_node(env));
    let mut mistakes = Vec::new();
    let mut sound = Vec::new();
    let (locks, others): (Vec<&String>, Vec<&String>) = options.profiles.iter().partition(|name| is_lock(name));
    let mut locks_sound = 0;
    for path in locks {
        match read_lock(path) {
            Ok(_) => locks_sound += 1,
            Err(CommandError::Mistakes(found)) => mistakes.extend(found),
            Err(other) => return Err(other),
        }
    }
    let (access_files, profiles): (Vec<&String>, Vec<&String>) =
        others.into_iter().partition(|name| is_access_file(name));
    let mut access_sound = 0;
    // Profiles are sound only beside sound grants.
    // Where there is no file store, the profiles say so.
    let of_store = (access_files.is_empty() && !profiles.is_empty() && env.filestore().is_ok()).then(|| env.access());
    let given = access_files.into_iter().map(|path| read_access_file(env, path));
    let mut access = Access::default();
    for read in of_store.into_iter().chain(given) {
        match read {
            Ok(found) => {
                access_sound += usize::from(!found.is_off());
                access = found;
            }
            Err(CommandError::Mistakes(found)) => mistakes.extend(found),
            Err(other) => return Err(other),
        }
    }
    for name in profiles {
        match load_profile(env, name, &options.sets, &facts, true) {
            Ok(profile) => {
                mistakes.extend(foreign_unit(env, &profile, &facts, &access));
                if options.assets {
                    mistakes.extend(missing_assets(env, &profile)?);
                }
                sound.push(profile);
            }
            Err(CommandError::Mistakes(found)) => mistakes.extend(found),
            Err(other) => return Err(other),
        }
    }
    if options.json {
        print_json(&mistakes.iter().map(to_json).collect::<Vec<_>>())?;
        return Ok(if mistakes.is_empty() { Exit::Done } else { Exit::Refused });
    }
    if !mistakes.is_empty() {
        return Err(CommandError::Mistakes(mistakes));
    }
    if options.show {
        let pages: Vec<String> = sound.iter().map(show).collect();
        return print(&pages.join("\n"));
    }
    let checked = [(sound.len(), "profile"), (access_sound, "access file"), (locks_sound, "lock")];
    let checked: Vec<String> =
        checked.into_iter().filter(|(count, _)| *count > 0).map(|(count, what)| counted(count, what)).collect();
    env.console.stderr.print(&format!("{} sound\n", checked.join(" and ")));
    Ok(Exit::Done)
}

/// Whether an argument names an access file: by the name that only it has, or by tables that only it has.
fn is_access_file(name: &str) -> bool {
    let path = Path::new(name);
    let is_path = name.contains('/') || path.extension().is_some_and(|ending| ending == "toml");
    path.file_name().is_some_and(|file| file == ACCESS)
        || (is_path && std::fs::read_to_string(path).is_ok_and(|text| Access::is_meant_by(&text)))
}

/// Whether an argument names a lock.
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

/// A profile of another unit than the cluster's, when no grant opens it to anybody. Principal it is opened to is a question
/// for the node.
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
    json!({ "message": mistake.message, "label": mistake.label, "hint": mistake.hint, "origin": mistake.origin() })
}

fn missing_assets(env: &Env, profile: &Profile) -> Result<Vec<Diagnostic>, CommandError> {
    let store = env.filestore()?;
    let assets = Assets { store: &store, unit: profile.business_unit.as_deref() };
    let missing = profile.assets().into_iter().filter_map(|named| {
        let asset = match assets.verified(named.file, named.origin) {
            Ok(asset) => asset,
            Err(missing) => return Some(missing),
        };
        if named.has_fingerprint { None } else { assets.digest(named.file, &asset, named.origin).err() }
    });
    Ok(missing
        .map(|missing| {
            Diagnostic::nowhere(format!("{} (asked for at {})", missing.message, missing.origin)).hint(missing.hint)
        })
        .collect())
}
