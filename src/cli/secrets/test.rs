//! `nodeagent secrets test`: tests whether the secrets of a profile can be read, without delivering them.

use std::collections::BTreeSet;

use clap::Args;
use serde_json::json;

use super::shared::diagnostic;
use crate::{
    auth::AccessRequest,
    cli::{
        CommandError, Env, Exit,
        authorize::authorize,
        print, print_json,
        target::{ProfileOptions, load_profile, this_node},
    },
    diagnostic::Diagnostic,
    kinds::Profile,
    report::{render_columns, text::counted},
    run::use_of,
    secrets::{Address, probe_all},
};

/// The name of the command in the audit log.
const COMMAND: &str = "secrets test";

/// Options of `secrets test`.
#[derive(Debug, Args)]
pub(in crate::cli) struct Options {
    #[command(flatten)]
    profile: ProfileOptions,
    /// Print the answer as JSON
    #[arg(long)]
    json: bool,
}

/// A tested secret.
struct SecretTest<'a> {
    name: String,
    request: AccessRequest,
    from: &'a Address,
    /// The reason why it cannot be read.
    failure: Option<Diagnostic>,
}

pub(super) fn run(env: &Env, options: &Options) -> Result<Exit, CommandError> {
    let facts = this_node(env);
    let profile = load_profile(env, &options.profile.wanted(&facts), None)?;
    let mut tested = secrets_of(&profile);
    let count = tested.len();
    let requests = tested.iter().map(|secret| secret.request.clone()).chain(use_of(&profile)).collect();
    let mut authorization = authorize(env, env.access()?, requests, COMMAND)?;
    if let Some(denial) = (count..authorization.requests.len()).find_map(|index| authorization.denial(index)) {
        return Err(Diagnostic::from(denial).into());
    }
    for (index, secret) in tested.iter_mut().enumerate() {
        secret.failure = authorization.denial(index).map(Diagnostic::from);
    }
    let allowed = tested.iter().filter(|secret| secret.failure.is_none()).map(|secret| secret.from);
    let probed = env.block_on(probe_all(allowed, env.clouds()))?;
    for (index, secret) in tested.iter_mut().enumerate().filter(|(_, secret)| secret.failure.is_none()) {
        let Some(found) = probed.get(secret.from) else { continue };
        authorization.fetched(env, index, secret.from, found.as_ref().err());
        secret.failure = found.as_ref().err().map(diagnostic);
    }
    if options.json {
        print_json(&tested.iter().map(to_json).collect::<Vec<_>>())?;
        let all = tested.iter().all(|secret| secret.failure.is_none());
        return Ok(if all { Exit::Done } else { Exit::Refused });
    }
    let row = |secret: &SecretTest<'_>| {
        let state = secret.failure.as_ref().map_or_else(|| "readable".to_owned(), |failure| failure.message.clone());
        [secret.name.clone(), secret.from.to_string(), state]
    };
    print(&render_columns(&["secret", "from", "state"], &tested.iter().map(row).collect::<Vec<_>>()))?;
    let failures: Vec<Diagnostic> = tested.into_iter().filter_map(|secret| secret.failure).collect();
    env.console.stderr.print(&format!("{} tested, {} not readable\n", counted(count, "secret"), failures.len()));
    if failures.is_empty() { Ok(Exit::Done) } else { Err(CommandError::Refused(failures)) }
}

/// The secrets of a profile, each once: those that it delivers or uses, and the passwords of its logins.
fn secrets_of(profile: &Profile) -> Vec<SecretTest<'_>> {
    let items = profile.sections.secrets.items.iter().map(|entry| &entry.value);
    let items = items.map(|item| (&item.scope, &item.key, &item.from));
    let used = profile.sections.secrets.used.iter().map(|entry| &entry.value);
    let used = used.map(|used| (&used.scope, &used.key, &used.from));
    let logins = profile.sections.secrets.logins.iter().map(|entry| &entry.value);
    let logins = logins.map(|login| (&login.scope, &login.key, &login.from));
    let mut seen = BTreeSet::new();
    let once = items.chain(used).chain(logins).filter(|request| seen.insert(*request));
    let tested = once.map(|(scope, key, from)| SecretTest {
        name: format!("{scope}/{key}"),
        request: AccessRequest::read_at(scope, key, from),
        from,
        failure: None,
    });
    tested.collect()
}

fn to_json(secret: &SecretTest<'_>) -> serde_json::Value {
    let failure = secret.failure.as_ref();
    json!({
        "secret": secret.name,
        "from": secret.from.to_string(),
        "readable": failure.is_none(),
        "error": failure.map(|failure| &failure.message),
        "causes": failure.map(|failure| &failure.causes),
        "hint": failure.and_then(|failure| failure.hint.as_ref()),
    })
}
