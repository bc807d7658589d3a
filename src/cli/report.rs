//! `nodeagent report`: shows the reports of earlier runs.

use clap::{Args, Subcommand};

use super::{CommandError, Env, Exit, print, print_json};
use crate::{
    diagnostic::Diagnostic,
    report::{Report, ReportError, RunFolders, render_blame, render_list, render_show},
    state,
};

/// Commands of `report`.
#[derive(Debug, Subcommand)]
pub(super) enum Options {
    /// Show a run: its steps, their duration and their failures
    Show(RunSelector),
    /// Show the timing: the slowest steps, the longest chain, and which steps overlapped
    Blame(RunSelector),
    /// List the runs of this node
    List,
}

/// Selects a run.
#[derive(Debug, Args)]
pub(super) struct RunSelector {
    /// The run's id or a prefix of it, or the path of its folder
    #[arg(default_value = "latest", value_name = "RUN")]
    run: String,
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(env: &Env, options: &Options) -> Result<Exit, CommandError> {
    let runs = RunFolders::of_node(&env.root);
    let read = |which: &RunSelector| -> Result<Report, CommandError> {
        runs.find(&which.run).and_then(|folder| folder.read_report()).map_err(|error| stopped(&error))
    };
    match options {
        Options::Show(which) | Options::Blame(which) if which.json => print_json(&read(which)?),
        Options::Show(which) => print(&render_show(&read(which)?, env.console.width)),
        Options::Blame(which) => print(&render_blame(&read(which)?, env.console.width)),
        Options::List => {
            let folders = runs.names().into_iter().filter_map(|name| runs.find(&name).ok());
            // Runs without a readable report are skipped, so that the others are listed.
            let reports: Vec<Report> = folders.filter_map(|folder| folder.read_report().ok()).collect();
            if reports.is_empty() {
                env.console.stderr.print("this node has no runs yet\n");
            }
            print(&render_list(&reports, &state::holders(&env.root)))
        }
    }
}

fn stopped(error: &ReportError) -> CommandError {
    Diagnostic::nowhere(error.to_string()).maybe_hint(error.hint()).into()
}
