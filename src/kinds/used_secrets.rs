//! Secrets that sections other than `[secrets]` use: each key gets its address in the scope of `[secrets]`, and joins
//! the one list of secrets that are decided about and fetched.

use super::secrets::{Secrets, UsedSecret};
use crate::{
    diagnostic::Diagnostic,
    profile::{Entry, SecretUse},
    secrets::Address,
};

/// Fills in the addresses of the secrets that entries use, and adds them to the list of `secrets`.
pub(super) fn collect<'a>(
    secrets: &mut Secrets,
    uses: impl Iterator<Item = SecretUse<'a>>,
    found: &mut Vec<Diagnostic>,
) {
    let mut list = Vec::new();
    for SecretUse { secret, origin, optional } in uses {
        let Some((scope, from)) = address(secrets, &secret.key) else {
            let message = format!("the secret `{}` has no scope (asked for at {origin})", secret.key);
            found.push(Diagnostic::nowhere(message).hint("add `[secrets]` with a `source` and a `scope`"));
            continue;
        };
        secret.from = Some(from.clone());
        let value = UsedSecret { scope, key: secret.key.clone(), from };
        list.push(Entry { optional, ..Entry::plain(value, origin.clone()) });
    }
    let variables = list.iter().filter_map(|entry| match &entry.value.from {
        Address::Variable(variable) => Some(variable.clone()),
        _ => None,
    });
    secrets.withheld.extend(variables);
    secrets.used = list;
}

/// The scope and the address of a key: as an item of `[secrets]` has it, else by the scope.
fn address(secrets: &Secrets, key: &str) -> Option<(String, Address)> {
    let place = secrets.place.as_ref()?;
    let mut items = secrets.items.iter().map(|entry| &entry.value);
    let item = items.find(|item| item.key == key && item.scope == place.scope);
    let from = item.map_or_else(|| place.address(key, None, None), |item| item.from.clone());
    Some((place.scope.clone(), from))
}
