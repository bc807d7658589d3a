//! `nodeagent plan`: shows the steps of a run without changing anything.

use std::sync::Mutex;

use clap::Args;
use serde_json::json;

use super::{
    CommandError, Env, Exit,
    error::failed,
    print, print_json,
    target::{LockOptions, ProfileOptions, load_locked, this_node},
};
use crate::{
    diagnostic::Diagnostic,
    facts::NodeFacts,
    kinds::{Node, Plan, Profile, describe},
    plan::{GraphFormat, Need, graph},
    problem::Problem,
    profile::FileStore,
    report::event::FORMAT,
    run::{AccessCheck, cache, fetch_logins},
};

/// Options of `plan`.
#[derive(Debug, Args)]
pub(super) struct Options {
    #[command(flatten)]
    profile: ProfileOptions,
    #[command(flatten)]
    lock: LockOptions,
    /// Print the plan as JSON
    #[arg(long)]
    json: bool,
    /// Print the order of the steps as a graph
    #[arg(long, value_name = "FORMAT", value_enum, num_args = 0..=1, require_equals = true, default_missing_value = "mermaid", conflicts_with = "json")]
    graph: Option<Graph>,
}

/// A language for graphs.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Graph {
    /// Mermaid, for a page of Markdown
    Mermaid,
    /// DOT, for Graphviz
    Dot,
}

/// How a plan is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Text,
    Json,
    Graph(GraphFormat),
}

impl Format {
    /// JSON, or text for people.
    pub(super) fn json_or_text(json: bool) -> Self {
        if json { Self::Json } else { Self::Text }
    }
}

pub(super) fn run(env: &Env, options: &Options) -> Result<Exit, CommandError> {
    let facts = this_node(env);
    let profile = load_locked(env, &options.profile, &options.lock, &facts)?;
    let format = match options.graph {
        Some(Graph::Mermaid) => Format::Graph(GraphFormat::Mermaid),
        Some(Graph::Dot) => Format::Graph(GraphFormat::Dot),
        None => Format::json_or_text(options.json),
    };
    show(env, &profile, &facts, format)
}

/// Plans and prints. `run --dry-run` does the same.
pub(super) fn show(env: &Env, profile: &Profile, facts: &NodeFacts, format: Format) -> Result<Exit, CommandError> {
    let access = env.access()?;
    let audit = env.audit_if_kept("plan").map(Mutex::new);
    let (clouds, root) = (env.clouds(), env.root.as_path());
    let case = AccessCheck { profile, facts, access: &access, clouds, root, audit: audit.as_ref() };
    let (mut granted, vault) = env.block_on(case.fetch())?.map_err(|denied| refused(&denied))?;
    let store = env.filestore()?;
    let mut node = Node::look(profile, &store, facts, &env.root, vault)
        .map_err(|error| failed(format!("the node's package state could not be read: {error}")))?;
    node.pin_signed(profile, &store, facts, &cache(&env.root));
    let mut plan = node.plan(profile, facts, &cache(&env.root));
    env.block_on(fetch_logins(&mut plan, &mut node.inventory.vault, env.clouds()))?;
    granted.write_down(&node.inventory.vault, audit.as_ref());
    if let Some(error) = &granted.audit_error {
        env.console.stderr.print(&format!("warning: the audit log is incomplete: {error}\n"));
    }
    match format {
        Format::Json => print_json(&to_json(profile, facts, &plan, &store)),
        Format::Text => print(&page(profile, &plan, &store)),
        Format::Graph(format) => print(&graph(&plan, format)),
    }?;
    if plan.refusals.is_empty() {
        return Ok(Exit::Done);
    }
    Err(refused(&plan.refusals))
}

/// The reasons why the plan cannot run.
pub(super) fn refused(refusals: &[Problem]) -> CommandError {
    let mistakes = refusals.iter().map(|refusal| {
        let position = refusal.origin.as_ref().map(|origin| format!(" (asked for at {origin})")).unwrap_or_default();
        let mistake = Diagnostic::nowhere(format!("{}{position}", refusal.message));
        mistake.causes(refusal.causes.clone()).maybe_hint(refusal.hint.clone())
    });
    CommandError::Refused(mistakes.collect())
}

fn to_json(profile: &Profile, facts: &NodeFacts, plan: &Plan, store: &FileStore) -> serde_json::Value {
    let steps: Vec<_> = plan
        .steps
        .iter()
        .map(|step| {
            let mut value = serde_json::to_value(step.summary()).unwrap_or_default();
            let order = |need: &Need| json!({ "step": need.step.0, "reason": need.reason.to_string() });
            value["order"] = step.needs.iter().map(order).collect();
            value["does"] = json!(describe(step, store));
            value
        })
        .collect();
    let mut page = json!({
        "format": FORMAT,
        "profile": profile.name,
        "sources": profile.sources,
        "node": facts,
        "steps": steps,
        "ready": plan.ready,
        "refusals": plan.refusals,
    });
    if let (Some(ready), false) = (&profile.post_start.ready, plan.later.is_empty()) {
        let timeout = ready.probe.timeout.as_secs();
        let ready = json!(ready.probe.check.to_string());
        page["post-start"] = json!({ "ready": ready, "timeout-seconds": timeout, "steps": plan.later });
    }
    if let Some(lock) = &plan.lock {
        page["lock"] = json!(lock);
    }
    page
}

/// The part of the post-start stage.
fn later(profile: &Profile, plan: &Plan) -> Vec<String> {
    let (Some(ready), false) = (&profile.post_start.ready, plan.later.is_empty()) else { return Vec::new() };
    let timeout = humantime::format_duration(ready.probe.timeout);
    let mut lines = vec![String::new()];
    lines.push(format!("stage    post-start: after the launch, when `ready` succeeds: {}", ready.probe.check));
    lines.push(format!("         waits at most {timeout}; its work is planned then"));
    for step in &plan.later {
        let optional = if step.optional { " (optional)" } else { "" };
        lines.push(format!("later    {}{optional}", step.entry));
        let mut places: Vec<String> = step.origins.iter().map(ToString::to_string).collect();
        places.dedup();
        lines.push(format!("         asked for at {}", places.join(", ")));
        lines.extend(step.order.iter().map(|need| format!("         after {}: {}", need.entry, need.reason)));
    }
    lines
}

fn page(profile: &Profile, plan: &Plan, store: &FileStore) -> String {
    let mut lines = Vec::new();
    for source in &profile.sources {
        lines.push(format!("profile  {}  sha256:{}", source.file, &source.sha256[..12]));
    }
    if let Some(lock) = &plan.lock {
        lines.push(format!("lock     {}  serial {}, for {}", lock.file, lock.serial, lock.runtime));
    }
    for ready in &plan.ready {
        lines.push(format!("ready    {ready}"));
    }
    for step in &plan.steps {
        let optional = if step.optional { " (optional)" } else { "" };
        lines.push(String::new());
        let difference = step.difference.map(|difference| format!(" ({difference})")).unwrap_or_default();
        lines.push(format!("step     {}: {}{difference}{optional}", step.id, step.title()));
        let mut places: Vec<String> = step.origins.iter().map(ToString::to_string).collect();
        places.dedup();
        if !places.is_empty() {
            lines.push(format!("         asked for at {}", places.join(", ")));
        }
        for need in &step.needs {
            lines.push(format!("         after {}: {}", need.step, need.reason));
        }
        lines.extend(describe(step, store).iter().map(|line| format!("         {line}")));
        lines.extend(step.known_failure.iter().map(|failure| format!("         will fail: {}", failure.message)));
    }
    lines.extend(later(profile, plan));
    lines.push(String::new());
    lines.push(match plan.steps.len() {
        0 if plan.refusals.is_empty() => "nothing to do: the node is ready".to_owned(),
        0 => "nothing can be done".to_owned(),
        count => format!("{} to do; nothing was changed", crate::report::text::counted(count, "step")),
    });
    lines.join("\n") + "\n"
}
