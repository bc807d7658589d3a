//! `nodeagent store bake`: layers of what a locked run brought here.

use std::{path::PathBuf, sync::Arc, time::Duration};

use clap::Args;
use jiff::Timestamp;
use serde_json::json;

use super::{
    Env, Exit, Stopped,
    password::PasswordOptions,
    plan::refused,
    print, print_json,
    sign::unlocked,
    target::{LockOptions, ProfileOptions, failed, load_locked, this_node},
};
use crate::{
    diagnostic::Diagnostic,
    profile::Secrets,
    report::{event::FORMAT, observers, render_columns, run_id, words::bytes},
    run::{self, Bakes, Job, Stop},
    steps::layer::Baked,
};

/// Packing that takes longer will never end.
const DEADLINE: Duration = Duration::from_secs(3600);

/// Options of `store bake`.
#[derive(Debug, Args)]
pub(super) struct Options {
    #[command(flatten)]
    profile: ProfileOptions,
    /// The lock [default: the one beside the profile]
    #[arg(long, value_name = "FILE")]
    lock: Option<PathBuf>,
    /// Sign the layers with this secret key; nodes with trusted keys take no others
    #[arg(short, long, value_name = "FILE")]
    key: Option<PathBuf>,
    #[command(flatten)]
    password: PasswordOptions,
    /// Print what was made as JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(env: &Env, options: &Options) -> Result<Exit, Stopped> {
    if options.key.is_some() && !env.trusted()?.is_on() {
        let mistake = Diagnostic::nowhere("what is here cannot be signed: this node trusts no key");
        let hint = "name the key by `--trusted-key`, in the run before as well: what is signed must have come from what is signed";
        return Err(mistake.hint(hint).into());
    }
    let signer = options.key.as_deref().map(|path| unlocked(env, &options.password, path)).transpose()?;
    let facts = this_node(env);
    let mut profile = load_locked(env, &options.profile, &LockOptions::needed(options.lock.clone()), &facts)?;
    // Files are packed; no secret is needed.
    profile.secrets = Secrets { withheld: std::mem::take(&mut profile.secrets.withheld), ..Secrets::default() };
    let (events, _, _) = observers(&env.talk, None);
    let logs = tempfile::Builder::new().prefix("nodeagent-").tempdir();
    let logs = logs.map_err(|error| failed(format!("there is no folder for logs: {error}")))?;
    let places = env.places()?;
    let is_shared = places.shared.is_some();
    let job = Arc::new(Job {
        run: run_id(Timestamp::now(), std::process::id()),
        profile,
        facts,
        store: env.store()?,
        places,
        access: env.access()?,
        audit: env.audit_if_kept("bake").map(std::sync::Mutex::new),
        clouds: Arc::clone(env.clouds()),
        root: env.root.clone(),
        logs: logs.path().to_owned(),
        strict: false,
        events,
    });
    let bakes = env.block_on(async {
        let stop = Stop::watch(DEADLINE)?;
        Ok::<_, std::io::Error>(run::bake(&job, signer.as_ref(), &stop).await)
    })?;
    let bakes = bakes.map_err(|error| failed(format!("the work could not be started: {error}")))?;
    let Bakes { made, failed } = bakes.map_err(|refusals| refused(&refusals))?;
    if options.json {
        print_json(&json!({ "format": FORMAT, "layers": made.iter().map(as_json).collect::<Vec<_>>() }))?;
    } else if !made.is_empty() {
        print(&table(&made, is_shared))?;
    }
    match refused(&failed) {
        Stopped::Refused(mistakes) if !mistakes.is_empty() => Err(Stopped::Failed(mistakes)),
        _ => Ok(Exit::Done),
    }
}

fn table(made: &[Baked], is_shared: bool) -> String {
    let row = |baked: &Baked| {
        let place = if baked.private {
            "this node: logins are used for it"
        } else if is_shared {
            "this node and the shared place"
        } else {
            "this node: no shared place is named"
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
