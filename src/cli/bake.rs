//! `nodeagent store bake`: packs the packages of a locked run as layers.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::{
    CommandError, Env, Exit,
    packages::run_with_deadline,
    password::PasswordOptions,
    plan::refused,
    print, print_json,
    sign::unlocked,
    target::{LockOptions, ProfileOptions, load_locked, this_node},
};
use crate::{
    diagnostic::Diagnostic,
    report::{event::FORMAT, render_columns, text::bytes},
    run::{self, Bakes},
    steps::layer::Baked,
};

/// Options of `store bake`.
#[derive(Debug, Args)]
pub(super) struct Options {
    #[command(flatten)]
    profile: ProfileOptions,
    /// The lock file [default: the one beside the profile]
    #[arg(long, value_name = "FILE")]
    lock: Option<PathBuf>,
    /// Sign the layers with this secret key; nodes with trusted keys accept only signed layers
    #[arg(short, long, value_name = "FILE")]
    key: Option<PathBuf>,
    #[command(flatten)]
    password: PasswordOptions,
    /// Print the layers as JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(env: &Env, options: &Options) -> Result<Exit, CommandError> {
    if options.key.is_some() && !env.trusted()?.is_on() {
        let mistake = Diagnostic::nowhere("the layers cannot be signed: this node has no trusted keys");
        let hint = "use `--trusted-key`, in the earlier run too: only packages from signed files can be signed";
        return Err(mistake.hint(hint).into());
    }
    let signer = options.key.as_deref().map(|path| unlocked(env, &options.password, path)).transpose()?;
    let facts = this_node(env);
    let profile = load_locked(env, &options.profile, &LockOptions::needed(options.lock.clone()), &facts)?;
    let is_shared = env.store_locations()?.shared.is_some();
    let bakes =
        run_with_deadline(env, "bake", profile, facts, async |job, stop| run::bake(job, signer.as_ref(), stop).await)?;
    let Bakes { made, failed } = bakes.map_err(|refusals| refused(&refusals))?;
    if options.json {
        print_json(&json!({ "format": FORMAT, "layers": made.iter().map(as_json).collect::<Vec<_>>() }))?;
    } else if !made.is_empty() {
        print(&table(&made, is_shared))?;
    }
    match refused(&failed) {
        CommandError::Refused(mistakes) if !mistakes.is_empty() => Err(CommandError::Failed(mistakes)),
        _ => Ok(Exit::Done),
    }
}

fn table(made: &[Baked], is_shared: bool) -> String {
    let row = |baked: &Baked| {
        let place = if baked.private {
            "this node: its packages need a login"
        } else if is_shared {
            "this node and the shared store"
        } else {
            "this node: no shared store is configured"
        };
        [
            baked.of.name().to_owned(),
            baked.packages.to_string(),
            baked.files.to_string(),
            bytes(baked.bytes),
            bytes(baked.packed),
            baked.parts.to_string(),
            place.to_owned(),
        ]
    };
    let rows: Vec<_> = made.iter().map(row).collect();
    render_columns(&["layer", "packages", "files", "size", "packed", "parts", "kept in"], &rows)
}

fn as_json(baked: &Baked) -> serde_json::Value {
    json!({
        "of": baked.of, "key": baked.key, "packages": baked.packages, "files": baked.files, "bytes": baked.bytes,
        "packed": baked.packed, "parts": baked.parts, "private": baked.private,
    })
}
