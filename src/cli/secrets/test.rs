//! `nodeagent secrets test`: whether a profile's secrets can be had, delivering none.

use std::collections::BTreeSet;

use clap::Args;
use serde_json::json;

use super::{CommandError, Env, Exit, missing};
use crate::{
    auth::AccessRequest,
    cli::{
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

/// This command, as the audit log names it.
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

/// One secret, and what became of it.
struct SecretTest<'a> {
    name: String,
    request: AccessRequest,
    from: &'a Address,
    /// Why it cannot be had, and what to do.
    trouble: Option<Diagnostic>,
}

pub(super) fn run(env: &Env, options: &Options) -> Result<Exit, CommandError> {
    let facts = this_node(env);
    let profile = load_profile(env, options.profile.name(), &options.profile.sets, &facts, false)?;
    let mut tested = secrets_of(&profile);
    let count = tested.len();
    let requests = tested.iter().map(|secret| secret.request.clone()).chain(use_of(&profile)).collect();
    let mut authorization = authorize(env, env.access()?, requests, COMMAND)?;
    if let Some(denial) = (count..authorization.requests.len()).find_map(|index| authorization.denial(index)) {
        return Err(Diagnostic::from(denial).into());
    }
    for (index, secret) in tested.iter_mut().enumerate() {
        secret.trouble = authorization.denial(index).map(Diagnostic::from);
    }
    let allowed = tested.iter().filter(|secret| secret.trouble.is_none()).map(|secret| secret.from);
    let probed = env.block_on(probe_all(allowed, env.clouds()))?;
    for (index, secret) in tested.iter_mut().enumerate().filter(|(_, secret)| secret.trouble.is_none()) {
        let Some(found) = probed.get(secret.from) else { continue };
        authorization.fetched(env, index, secret.from, found.as_ref().err());
        secret.trouble = found.as_ref().err().map(missing);
    }
    if options.json {
        print_json(&tested.iter().map(to_json).collect::<Vec<_>>())?;
        let all = tested.iter().all(|secret| secret.trouble.is_none());
        return Ok(if all { Exit::Done } else { Exit::Refused });
    }
    let row = |secret: &SecretTest<'_>| {
        let state = secret.trouble.as_ref().map_or_else(|| "readable".to_owned(), |trouble| trouble.message.clone());
        [secret.name.clone(), secret.from.to_string(), state]
    };
    print(&render_columns(&["secret", "from", "state"], &tested.iter().map(row).collect::<Vec<_>>()))?;
    let troubles: Vec<Diagnostic> = tested.into_iter().filter_map(|secret| secret.trouble).collect();
    env.console.stderr.print(&format!("{} tested, {} cannot be had\n", counted(count, "secret"), troubles.len()));
    if troubles.is_empty() { Ok(Exit::Done) } else { Err(CommandError::Refused(troubles)) }
}

/// Every secret that a profile asks for, once: what it delivers, and the passwords of its logins.
fn secrets_of(profile: &Profile) -> Vec<SecretTest<'_>> {
    let items = profile.sections.secrets.items.iter().map(|entry| &entry.value);
    let items = items.map(|item| (&item.scope, &item.key, &item.from));
    let logins = profile.sections.secrets.logins.iter().map(|entry| &entry.value);
    let logins = logins.map(|login| (&login.scope, &login.key, &login.from));
    let mut seen = BTreeSet::new();
    let once = items.chain(logins).filter(|asked| seen.insert(*asked));
    let tested = once.map(|(scope, key, from)| SecretTest {
        name: format!("{scope}/{key}"),
        request: AccessRequest::read_at(scope, key, from),
        from,
        trouble: None,
    });
    tested.collect()
}

fn to_json(secret: &SecretTest<'_>) -> serde_json::Value {
    let trouble = secret.trouble.as_ref();
    json!({
        "secret": secret.name,
        "from": secret.from.to_string(),
        "readable": trouble.is_none(),
        "error": trouble.map(|trouble| &trouble.message),
        "causes": trouble.map(|trouble| &trouble.causes),
        "hint": trouble.and_then(|trouble| trouble.hint.as_ref()),
    })
}
