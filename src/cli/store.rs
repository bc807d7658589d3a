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
    Stat(OutputOptions),
    /// Compare every object with its digest and remove damaged ones
    Verify(TierOptions),
    /// Remove the least recently used objects until the store is within its limit
    Gc(Gc),
    /// Publish everything on this node to the shared store
    Push(OutputOptions),
    /// Copy everything in the shared store to this node
    Pull(OutputOptions),
    /// Pack the Python and R packages of a locked run as layers
    Bake(bake::Options),
}

/// The output format.
#[derive(Debug, Args)]
pub(super) struct OutputOptions {
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

/// The tier to work on.
#[derive(Debug, Args)]
pub(super) struct TierOptions {
    /// Use the shared store instead of the one on this node
    #[arg(long)]
    shared: bool,
    #[command(flatten)]
    output: OutputOptions,
}

/// Options of `gc`.
#[derive(Debug, Args)]
pub(super) struct Gc {
    /// The limit, such as `5 GiB` [default: `store-limit` in /etc/nodeagent.toml, else 10 GiB]
    #[arg(long, value_name = "SIZE", required_if_eq("shared", "true"))]
    limit: Option<Size>,
    #[command(flatten)]
    tier_options: TierOptions,
}

impl TierOptions {
    fn tier(&self) -> Tier {
        if self.shared { Tier::Shared } else { Tier::Local }
    }
}

pub(super) fn run(env: &Env, options: &Options) -> Result<Exit, CommandError> {
    let locations = env.store_locations()?;
    let stderr = env.console.stderr.clone();
    let warn = move |text: String| stderr.print(&format!("warning: {text}\n"));
    let store = Store::open(&locations, env.clouds(), Arc::new(warn));
    match options {
        Options::Bake(options) => bake::run(env, options),
        Options::Stat(output) => stat(env, &store, &locations, output),
        Options::Verify(tier_options) => {
            let verdict = env.block_on(store.verify(tier_options.tier()))?.map_err(|error| stopped(&error))?;
            verify(&verdict, &tier_options.output)
        }
        Options::Gc(gc) => {
            let limit = gc.limit.map_or(locations.limit, |limit| limit.0);
            let report = env.block_on(store.gc(gc.tier_options.tier(), limit))?.map_err(|error| stopped(&error))?;
            print_result("removed", &report, &gc.tier_options.output)
        }
        Options::Push(output) => {
            print_result("published", &env.block_on(store.push())?.map_err(|error| stopped(&error))?, output)
        }
        Options::Pull(output) => {
            print_result("copied", &env.block_on(store.pull())?.map_err(|error| stopped(&error))?, output)
        }
    }
}

fn stat(env: &Env, store: &Store, locations: &StoreLocations, output: &OutputOptions) -> Result<Exit, CommandError> {
    let local = env.block_on(store.stat(Tier::Local))?.map_err(|error| stopped(&error))?;
    let shared = match &locations.shared {
        Some(location) => {
            let stat = env.block_on(store.stat(Tier::Shared))?.map_err(|error| stopped(&error))?;
            Some((location.to_string(), stat))
        }
        None => None,
    };
    let here = locations.local.display().to_string();
    if output.json {
        let store_json = |location: &str, stat: &StoreStats| -> Value {
            let mut value = json!(stat);
            value["place"] = json!(location);
            value
        };
        let mut local = store_json(&here, &local);
        local["limit"] = json!(locations.limit);
        let shared = shared.as_ref().map(|(location, stat)| store_json(location, stat));
        return print_json(&json!({ "format": FORMAT, "local": local, "shared": shared }));
    }
    let row = |location: &str, stat: &StoreStats| {
        let entries: Vec<String> =
            stat.entries.iter().map(|(kind, count)| format!("{count} {}", kind.name())).collect();
        let (objects, size) = (stat.objects.objects.to_string(), bytes(stat.objects.bytes));
        [location.to_owned(), objects, size, if entries.is_empty() { "none".to_owned() } else { entries.join(", ") }]
    };
    let mut rows = vec![row(&here, &local)];
    rows.extend(shared.iter().map(|(location, stat)| row(location, stat)));
    print(&render_columns(&["place", "objects", "size", "entries"], &rows))
}

fn verify(verdict: &VerifyReport, output: &OutputOptions) -> Result<Exit, CommandError> {
    if output.json {
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

fn print_result(verb: &str, report: &MaintenanceReport, output: &OutputOptions) -> Result<Exit, CommandError> {
    if output.json {
        print_json(&json!({
            "format": FORMAT,
            "objects": report.objects,
            "entries": report.entries,
            "failed": report.failed,
        }))?;
    } else {
        let (objects, entries) = (report.objects.objects, usize::try_from(report.entries).unwrap_or(usize::MAX));
        let objects = counted(usize::try_from(objects).unwrap_or(usize::MAX), "object");
        let failed = if report.failed > 0 { format!(", {} failed", report.failed) } else { String::new() };
        let entries = if entries == 1 { "1 entry".to_owned() } else { format!("{entries} entries") };
        print(&format!("{verb}: {objects} ({}), {entries}{failed}\n", bytes(report.objects.bytes)))?;
    }
    Ok(if report.failed == 0 { Exit::Done } else { Exit::Failed })
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
