//! `nodeagent secrets`: commands for single secrets.

mod exec;
mod get;
mod list;
mod scope;
mod shared;
mod test;

use clap::Subcommand;

use super::{CommandError, Env, Exit};

/// Commands of `secrets`.
#[derive(Debug, Subcommand)]
pub(super) enum Options {
    /// List the keys of a scope, without values
    List(list::Options),
    /// Print the value of one secret
    Get(get::Options),
    /// Test whether the secrets of a profile can be read, without delivering them
    Test(test::Options),
    /// Run a command with the secrets of a profile in its environment
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
