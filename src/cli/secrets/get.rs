//! `nodeagent secrets get`: the value of one secret, on standard output as it is.

use clap::Args;

use super::{CommandError, Env, Exit, granted, scope::ScopeOptions};
use crate::{
    auth::AccessRequest,
    cli::error::failed,
    diagnostic::Diagnostic,
    report::{stdout_is_terminal, write_secret},
    secrets,
};

/// This command, as the audit log names it.
const COMMAND: &str = "secrets get";

/// Options of `secrets get`.
#[derive(Debug, Args)]
pub(in crate::cli) struct Options {
    /// The key in the scope
    key: String,
    #[command(flatten)]
    place: ScopeOptions,
    /// Print it although standard output is a terminal
    #[arg(long)]
    show: bool,
}

pub(super) fn run(env: &Env, options: &Options) -> Result<Exit, CommandError> {
    if stdout_is_terminal() && !options.show {
        let refused = Diagnostic::nowhere("a secret is not printed on a terminal, where others may read it");
        return Err(refused.hint("send it to a file or a program, or add --show").into());
    }
    let (scope, address) = options.place.address(env, &options.key, COMMAND)?;
    let request = AccessRequest::read_at(&scope, &options.key, &address);
    let mut granted = granted(env, request, COMMAND)?;
    let value = env.block_on(secrets::fetch(&address, env.clouds()))?;
    granted.fetched(env, 0, &address, value.as_ref().err());
    let value = value.map_err(|error| options.place.missing(&error))?;
    write_secret(&value).map_err(|error| failed(format!("the value could not be written: {error}")))?;
    Ok(Exit::Done)
}
