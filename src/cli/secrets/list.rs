//! `nodeagent secrets list`: lists the keys of a scope.

use clap::Args;

use super::{
    scope::ScopeOptions,
    shared::{diagnostic, require},
};
use crate::{
    auth::AccessRequest,
    cli::{CommandError, Env, Exit, print, print_json},
    secrets::{self, Source},
};

/// The name of the command in the audit log.
const COMMAND: &str = "secrets list";

/// Options of `secrets list`.
#[derive(Debug, Args)]
pub(in crate::cli) struct Options {
    #[command(flatten)]
    scope: ScopeOptions,
    /// Print the names as JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(env: &Env, options: &Options) -> Result<Exit, CommandError> {
    let scope = options.scope.scope(env, COMMAND)?;
    require(env, AccessRequest::list(&scope), COMMAND)?;
    let keys = env.block_on(secrets::keys(&scope, env.clouds()))?.map_err(|error| diagnostic(&error))?;
    if keys.is_empty() {
        env.console.stderr.print(&format!("the scope `{}` has no secrets at this source\n", scope.scope));
    } else if scope.source == Source::Env && keys.iter().any(|key| key.contains('_')) {
        env.console
            .stderr
            .print("a `_` may be another character in the key, such as `-`: the name of a variable does not show it\n");
    }
    if options.json {
        return print_json(&keys);
    }
    print(&keys.into_iter().flat_map(|key| [key, "\n".to_owned()]).collect::<String>())
}
