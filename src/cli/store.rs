//! `nodeagent store`: shows and maintains the store.

use std::sync::Arc;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::{CommandError, Env, Exit, bake, error::failed, node_file::Size, print, print_json};
use crate::{
    diagnostic::Diagnostic,
    report::{
        event::FORMAT,
        render_columns,
        text::{bytes, counted},
    },
    store::{MaintenanceReport, Store, StoreError, StoreLocations, StoreStats, Tier, VerifyReport},
};

/// Subcommands of `store`.
#[derive(Debug, Subcommand)]
pub(super) enum Options {
    /// Show the contents of the store on this node and of the shared store
    Stat(Answer),
    /// Compare every object with its digest and remove damaged ones
    Verify(Of),
    /// Remove the least recently used objects until the store is within its limit
    Gc(Gc),
    /// Publish everything on this node to the shared store
    Push(Answer),
    /// Copy everything in the shared store to this node
    Pull(Answer),
    /// Pack the Python and R packages of a locked run as layers
    Bake(bake::Options),
}

/// The output format.
#[derive(Debug, Args)]
pub(super) struct Answer {
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

/// The tier to work on.
#[derive(Debug, Args)]
pub(super) struct Of {
    /// Use the shared store instead of the one on this node
    #[arg(long)]
    shared: bool,
    #[command(flatten)]
    answer: Answer,
}

/// Options of `gc`.
#[derive(Debug, Args)]
pub(super) struct Gc {
    /// The limit, such as `5 GiB` [default: `store-limit` in /etc/nodeagent.toml, else 10 GiB]
    #[arg(long, value_name = "SIZE", required_if_eq("shared", "true"))]
    limit: Option<Size>,
    #[command(flatten)]
    of: Of,
}

impl Of {
    fn tier(&self) -> Tier {
        if self.shared { Tier::Shared } else { Tier::Local }
    }
}

pub(super) fn run(env: &Env, options: &Options) -> Result<Exit, CommandError> {
    let places = env.store_locations()?;
    let stderr = env.console.stderr.clone();
    let warn = move |text: String| stderr.print(&format!("warning: {text}\n"));
    let store = Store::open(&places, env.clouds(), Arc::new(warn));
    match options {
        Options::Bake(options) => bake::run(env, options),
        Options::Stat(answer) => stat(env, &store, &places, answer),
        Options::Verify(of) => {
            let verdict = env.block_on(store.verify(of.tier()))?.map_err(|error| stopped(&error))?;
            verify(&verdict, &of.answer)
        }
        Options::Gc(gc) => {
            let limit = gc.limit.map_or(places.limit, |limit| limit.0);
            let done = env.block_on(store.gc(gc.of.tier(), limit))?.map_err(|error| stopped(&error))?;
            told("removed", &done, &gc.of.answer)
        }
        Options::Push(answer) => {
            told("published", &env.block_on(store.push())?.map_err(|error| stopped(&error))?, answer)
        }
        Options::Pull(answer) => told("copied", &env.block_on(store.pull())?.map_err(|error| stopped(&error))?, answer),
    }
}

fn stat(env: &Env, store: &Store, places: &StoreLocations, answer: &Answer) -> Result<Exit, CommandError> {
    let local = env.block_on(store.stat(Tier::Local))?.map_err(|error| stopped(&error))?;
    let shared = match &places.shared {
        Some(place) => {
            let stat = env.block_on(store.stat(Tier::Shared))?.map_err(|error| stopped(&error))?;
            Some((place.to_string(), stat))
        }
        None => None,
    };
    let here = places.local.display().to_string();
    if answer.json {
        let of_place = |place: &str, stat: &StoreStats| -> Value {
            let mut value = json!(stat);
            value["place"] = json!(place);
            value
        };
        let mut local = of_place(&here, &local);
        local["limit"] = json!(places.limit);
        let shared = shared.as_ref().map(|(place, stat)| of_place(place, stat));
        return print_json(&json!({ "format": FORMAT, "local": local, "shared": shared }));
    }
    let row = |place: &str, stat: &StoreStats| {
        let entries: Vec<String> =
            stat.entries.iter().map(|(kind, count)| format!("{count} {}", kind.name())).collect();
        let (objects, size) = (stat.objects.objects.to_string(), bytes(stat.objects.bytes));
        [place.to_owned(), objects, size, if entries.is_empty() { "none".to_owned() } else { entries.join(", ") }]
    };
    let mut rows = vec![row(&here, &local)];
    rows.extend(shared.iter().map(|(place, stat)| row(place, stat)));
    print(&render_columns(&["place", "objects", "size", "entries"], &rows))
}

fn verify(verdict: &VerifyReport, answer: &Answer) -> Result<Exit, CommandError> {
    if answer.json {
        print_json(&json!({
            "format": FORMAT,
            "sound": verdict.sound,
            "damaged": verdict.damaged,
            "foreign": verdict.foreign,
        }))?;
    } else {
        let mut lines = vec![sound(verdict)];
        lines.extend(verdict.damaged.iter().map(|name| format!("damaged and removed: {name}")));
        lines.extend(verdict.foreign.iter().map(|name| format!("not part of the store: {name}")));
        print(&crate::report::text::lines(lines.iter().map(|line| crate::report::text::clean(line))))?;
    }
    Ok(if verdict.damaged.is_empty() { Exit::Done } else { Exit::Failed })
}

fn told(verb: &str, done: &MaintenanceReport, answer: &Answer) -> Result<Exit, CommandError> {
    if answer.json {
        print_json(&json!({
            "format": FORMAT,
            "objects": done.objects,
            "entries": done.entries,
            "failed": done.failed,
        }))?;
    } else {
        let (objects, entries) = (done.objects.objects, usize::try_from(done.entries).unwrap_or(usize::MAX));
        let objects = counted(usize::try_from(objects).unwrap_or(usize::MAX), "object");
        let failed = if done.failed > 0 { format!(", {} failed", done.failed) } else { String::new() };
        let entries = if entries == 1 { "1 entry".to_owned() } else { format!("{entries} entries") };
        print(&format!("{verb}: {objects} ({}), {entries}{failed}\n", bytes(done.objects.bytes)))?;
    }
    Ok(if done.failed == 0 { Exit::Done } else { Exit::Failed })
}

fn sound(verdict: &VerifyReport) -> String {
    let size = bytes(verdict.sound.bytes);
    match verdict.sound.objects {
        1 => format!("1 object ({size}) matches its digest"),
        count => format!("{count} objects ({size}) match their digests"),
    }
}

fn stopped(error: &StoreError) -> CommandError {
    match error {
        StoreError::NothingShared => Diagnostic::nowhere(error.to_string()).maybe_hint(error.hint()).into(),
        error => failed(error.in_words()),
    }
}
