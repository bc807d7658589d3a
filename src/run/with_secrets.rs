//! A command with a profile's secrets in its environment, for programs that accept them in no safer way.

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::OsString,
};

use crate::{
    diagnostic::Diagnostic,
    exec::{replace_process, withheld_variables},
    inventory::Vault,
    kinds::Profile,
    secrets::{Secret, file_formats::SecretFormat, variable},
};

/// Replaces this process by the command, with the profile's secrets in its environment. The names come from `env-file`,
/// or else from scope and key. An optional secret that cannot be fetched is omitted. The agent's own credentials are
/// removed, unless `keeps_credentials` is set. Returns only on an error.
pub fn with_secrets(
    profile: &Profile,
    vault: &Vault,
    (program, args): (&OsString, &[OsString]),
    keeps_credentials: bool,
) -> Vec<Diagnostic> {
    let (secrets, mut mistakes) = secret_variables(profile, vault);
    if profile.sections.secrets.items.is_empty() {
        let (message, hint) = if profile.sections.secrets.logins.is_empty() {
            (format!("the profile `{}` names no secrets", profile.name), "name them in `[[secrets.items]]`")
        } else {
            let message = format!("the profile `{}` names passwords of logins, and no other secrets", profile.name);
            (message, "logins are for the package tools of a run; name what a command needs in `[[secrets.items]]`")
        };
        mistakes.push(Diagnostic::nowhere(message).hint(hint));
    }
    if mistakes.is_empty() {
        let named = profile.sections.secrets.withheld.clone();
        let withheld = if keeps_credentials { named } else { withheld_variables(named) };
        let error = replace_process(program, args, &secrets, &withheld);
        let hint = "check the command after `--`, and that it is on the search path";
        mistakes.push(Diagnostic::nowhere(error.to_string()).hint(hint));
    }
    mistakes
}

/// The variables with their secrets, and the mistakes.
fn secret_variables<'v>(profile: &Profile, vault: &'v Vault) -> (BTreeMap<String, &'v Secret>, Vec<Diagnostic>) {
    let named = names(profile);
    let mut mistakes = Vec::new();
    let mut secrets: BTreeMap<String, &Secret> = BTreeMap::new();
    for entry in &profile.sections.secrets.items {
        let (item, origin) = (&entry.value, &entry.origin);
        let mistake = |message: String| Diagnostic::nowhere(format!("{message} (asked for at {origin})"));
        let value = match vault.get(&item.from) {
            Some(Ok(value)) => value,
            Some(Err(error)) if !entry.optional => {
                let message = format!("the secret `{}` of scope `{}` is not available: {error}", item.key, item.scope);
                mistakes.push(mistake(message).hint(error.hint()));
                continue;
            }
            Some(Err(_)) | None => continue,
        };
        if value.reveal().contains(&0) {
            let message = format!("the secret `{}` of scope `{}` holds a zero byte", item.key, item.scope);
            mistakes.push(mistake(message).hint("a variable cannot hold one; deliver it with `file`"));
            continue;
        }
        for name in &named[&(item.scope.as_str(), item.key.as_str())] {
            let other = secrets.insert(name.clone(), value);
            if other.is_some_and(|other| !std::ptr::eq(other, value)) {
                let hint = "give one of them another name with `env-file` and `variable`";
                mistakes.push(mistake(format!("two secrets are to be the variable `{name}`")).hint(hint));
            }
        }
    }
    (secrets, mistakes)
}

/// The variables of each secret, by scope and key.
fn names(profile: &Profile) -> BTreeMap<(&str, &str), BTreeSet<String>> {
    let mut variables: BTreeMap<_, BTreeSet<String>> = BTreeMap::new();
    for item in profile.sections.secrets.items.iter().map(|entry| &entry.value) {
        let own = variables.entry((item.scope.as_str(), item.key.as_str())).or_default();
        if let SecretFormat::Variable(name) = &item.form {
            own.insert(name.clone());
        }
    }
    for ((scope, key), own) in &mut variables {
        if own.is_empty() {
            own.insert(variable(scope, key));
        }
    }
    variables
}
