//! `nodeagent secrets exec`: runs a command with the secrets of a profile in its environment.

use std::{ffi::OsString, sync::Mutex};

use clap::Args;

use super::super::{
    CommandError, Env, Exit,
    plan::refused,
    target::{ProfileOptions, load_profile, this_node},
};
use crate::run::{AccessCheck, with_secrets};

const AFTER_HELP: &str = "\
The command replaces this process: it gets the terminal and the signals, and its exit status is returned.

Other programs of the same user can read the environment of the command. If the command can read a file, deliver the
secret to a file instead.

The command gets the secrets of the profile, but not the credentials to fetch others: variables such as DATABRICKS_TOKEN
and AWS_SECRET_ACCESS_KEY are removed from its environment.";

/// Options of `secrets exec`.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(in crate::cli) struct Options {
    #[command(flatten)]
    profile: ProfileOptions,
    /// Keep the cloud credentials of nodeagent in the environment of the command
    #[arg(long)]
    keep_credentials: bool,
    /// The command and its arguments, after `--`
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

pub(in crate::cli) fn run(env: &Env, options: &Options) -> Result<Exit, CommandError> {
    let facts = this_node(env);
    let profile = load_profile(env, &options.profile.wanted(&facts), None)?;
    let access = env.access()?;
    let audit = env.audit("secrets exec").map(Mutex::new);
    let (clouds, root) = (env.clouds(), env.root.as_path());
    let case = AccessCheck { profile: &profile, facts: &facts, access: &access, clouds, root, audit: audit.as_ref() };
    let (_, vault) = env.block_on(case.fetch())?.map_err(|denied| refused(&denied))?;
    let command = options.command.split_first().expect("the option is required");
    Err(CommandError::Mistakes(with_secrets(&profile, &vault, command, options.keep_credentials)))
}
