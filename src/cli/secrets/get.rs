//! `nodeagent secrets get`: writes the value of a secret to standard output.

use clap::Args;

use super::{scope::ScopeOptions, shared::require};
use crate::{
    auth::AccessRequest,
    cli::{CommandError, Env, Exit, error::failed},
    diagnostic::Diagnostic,
    report::{stdout_is_terminal, write_secret},
    secrets,
};

/// The name of the command in the audit log.
const COMMAND: &str = "secrets get";

/// Options of `secrets get`.
#[derive(Debug, Args)]
pub(in crate::cli) struct Options {
    /// The key in the scope
    key: String,
    #[command(flatten)]
    scope: ScopeOptions,
    /// Print the value even if standard output is a terminal
    #[arg(long)]
    show: bool,
}

pub(super) fn run(env: &Env, options: &Options) -> Result<Exit, CommandError> {
    if stdout_is_terminal() && !options.show {
        let refused = Diagnostic::nowhere("a secret is not printed on a terminal, because others may see it");
        return Err(refused.hint("redirect the output to a file or a program, or add --show").into());
    }
    let (scope, address) = options.scope.address(env, &options.key, COMMAND)?;
    let request = AccessRequest::read_at(&scope, &options.key, &address);
    let mut authorization = require(env, request, COMMAND)?;
    let value = env.block_on(secrets::fetch(&address, env.clouds()))?;
    authorization.fetched(env, 0, &address, value.as_ref().err());
    let value = value.map_err(|error| options.scope.missing(&error))?;
    write_secret(&value).map_err(|error| failed(format!("the value could not be written: {error}")))?;
    Ok(Exit::Done)
}
