//! Secrets that sections other than `[secrets]` use: each key gets its address in the scope of `[secrets]`, and joins
//! the one list of secrets that are decided about and fetched.

use super::{
    secrets::{Secrets, UsedSecret},
    services::SecretRef,
};
use crate::{
    diagnostic::{Diagnostic, Origin},
    profile::Entry,
    secrets::Address,
};

/// Fills in the addresses of `requests` and the list of `secrets`. A request has its profile line, and whether its
/// entry is optional.
pub(super) fn collect<'a>(
    secrets: &mut Secrets,
    requests: impl Iterator<Item = (&'a Origin, bool, &'a mut SecretRef)>,
    found: &mut Vec<Diagnostic>,
) {
    let mut used = Vec::new();
    for (origin, optional, secret) in requests {
        let Some((scope, from)) = address(secrets, &secret.key) else {
            let message = format!("the secret `{}` has no scope (asked for at {origin})", secret.key);
            found.push(Diagnostic::nowhere(message).hint("add `[secrets]` with a `source` and a `scope`"));
            continue;
        };
        secret.from = Some(from.clone());
        let value = UsedSecret { scope, key: secret.key.clone(), from };
        used.push(Entry { optional, ..Entry::plain(value, origin.clone()) });
    }
    let variables = used.iter().filter_map(|entry| match &entry.value.from {
        Address::Variable(variable) => Some(variable.clone()),
        _ => None,
    });
    secrets.withheld.extend(variables);
    secrets.used = used;
}

/// The scope and the address of a key: as an item of `[secrets]` has it, else by the scope.
fn address(secrets: &Secrets, key: &str) -> Option<(String, Address)> {
    let place = secrets.place.as_ref()?;
    let mut items = secrets.items.iter().map(|entry| &entry.value);
    let item = items.find(|item| item.key == key && item.scope == place.scope);
    let from = item.map_or_else(|| place.address(key, None, None), |item| item.from.clone());
    Some((place.scope.clone(), from))
}
