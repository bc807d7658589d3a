//! `nodeagent secrets`: secrets by hand.

mod exec;
mod get;
mod list;
mod scope;
mod test;

use clap::Subcommand;

use super::{
    CommandError, Env, Exit,
    authorize::{Authorization, authorize},
    target::{load_profile, this_node},
};
use crate::{auth::AccessRequest, diagnostic::Diagnostic, kinds::Profile, run::use_of, secrets::SecretError};

/// What to do with secrets.
#[derive(Debug, Subcommand)]
pub(super) enum Options {
    /// List the keys of a scope, never a value
    List(list::Options),
    /// Print the value of one secret
    Get(get::Options),
    /// Test whether a profile's secrets can be had, delivering none
    Test(test::Options),
    /// Run a command with a profile's secrets in its environment
    Exec(exec::Options),
}

pub(super) fn run(env: &Env, options: &Options) -> Result<Exit, CommandError> {
    match options {
        Options::List(options) => list::run(env, options),
        Options::Get(options) => get::run(env, options),
        Options::Test(options) => test::run(env, options),
        Options::Exec(options) => exec::run(env, options),
    }
}

/// Decides about one secret or scope. A denial ends the command.
fn granted(env: &Env, request: AccessRequest, command: &'static str) -> Result<Authorization, CommandError> {
    authorize(env, env.access()?, vec![request], command)?.granted()
}

/// Loads a profile to work with its secrets; one of another unit needs leave, as for a run.
fn profile_of(
    env: &Env,
    name: &str,
    sets: &[(String, String)],
    command: &'static str,
) -> Result<Profile, CommandError> {
    let facts = this_node(env);
    let profile = load_profile(env, name, sets, &facts, false)?;
    use_of(&profile).map_or(Ok(()), |request| granted(env, request, command).map(drop))?;
    Ok(profile)
}

/// Why there is no secret, as a diagnostic.
fn missing(error: &SecretError) -> Diagnostic {
    let said = match error {
        SecretError::Cloud(error) => error.said.iter().cloned().collect(),
        _ => Vec::new(),
    };
    Diagnostic::nowhere(error.to_string()).causes(said).hint(error.hint())
}
