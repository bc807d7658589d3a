//! Secrets that sections other than `[secrets]` use: each key gets its address in the scope of `[secrets]`, and joins
//! the one list of secrets that are decided about and fetched.

use super::{
    list::Sections,
    secrets::{Secrets, UsedSecret},
};
use crate::{diagnostic::Diagnostic, profile::Entry, secrets::Address};

/// Fills in the addresses and the list.
pub(super) fn collect(sections: &mut Sections, found: &mut Vec<Diagnostic>) {
    let mut used = Vec::new();
    for (origin, optional, secret) in sections.services.secrets_mut() {
        let Some((scope, from)) = address(&sections.secrets, &secret.key) else {
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
    sections.secrets.withheld.extend(variables);
    sections.secrets.used = used;
}

/// The scope and the address of a key: as an item of `[secrets]` has it, else by the scope.
fn address(secrets: &Secrets, key: &str) -> Option<(String, Address)> {
    let place = secrets.place.as_ref()?;
    let mut items = secrets.items.iter().map(|entry| &entry.value);
    let item = items.find(|item| item.key == key && item.scope == place.scope);
    let from = item.map_or_else(|| place.address(key, None, None), |item| item.from.clone());
    Some((place.scope.clone(), from))
}
