//! `nodeagent secrets list`: what a scope holds, by name.

use clap::Args;

use super::{CommandError, Env, Exit, granted, missing, scope::ScopeOptions};
use crate::{
    auth::AccessRequest,
    cli::{print, print_json},
    secrets::{self, Source},
};

/// This command, as the audit log names it.
const COMMAND: &str = "secrets list";

/// Options of `secrets list`.
#[derive(Debug, Args)]
pub(in crate::cli) struct Options {
    #[command(flatten)]
    place: ScopeOptions,
    /// Print the names as JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(env: &Env, options: &Options) -> Result<Exit, CommandError> {
    let place = options.place.place(env, COMMAND)?;
    granted(env, AccessRequest::list(&place), COMMAND)?;
    let keys = env.block_on(secrets::keys(&place, env.clouds()))?.map_err(|error| missing(&error))?;
    if keys.is_empty() {
        env.console.stderr.print(&format!("there is no secret of the scope `{}` at this source\n", place.scope));
    } else if place.source == Source::Env && keys.iter().any(|key| key.contains('_')) {
        env.console
            .stderr
            .print("a `_` may stand for another sign of the key, such as `-`: a variable does not tell\n");
    }
    if options.json {
        return print_json(&keys);
    }
    print(&keys.into_iter().flat_map(|key| [key, "\n".to_owned()]).collect::<String>())
}
