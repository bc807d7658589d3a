//! Rules about the merged profile, where entries of different files or sections meet.

use super::deliveries::check_deliveries;
use crate::{
    diagnostic::Diagnostic,
    facts::{AccessMode, NodeFacts},
    profile::Profile,
    redact::is_loopback,
};

/// Checks what only the whole can show.
pub(in crate::profile) fn check_whole(profile: &Profile, facts: &NodeFacts, found: &mut Vec<Diagnostic>) {
    let r = profile.r.packages.first().map(|entry| &entry.origin);
    if let (Some(AccessMode::Standard), Some(origin)) =
        (facts.access_mode, r.or(profile.r.sources.first().map(|entry| &entry.origin)))
    {
        let mistake =
            Diagnostic::nowhere(format!("R packages are asked for at {origin}, but standard access mode has no R"));
        found.push(
            mistake.hint("use a cluster in dedicated access mode, or add `when = { access-mode = \"dedicated\" }`"),
        );
    }
    check_deliveries(profile, found);
    no_password_in_plain_text(profile, found);
}

/// pip and uv show a login to its host, also where an address says plain http.
fn no_password_in_plain_text(profile: &Profile, found: &mut Vec<Diagnostic>) {
    let indexes = profile.pip.index_url.iter().map(|index| (&index.value, &index.origin));
    let indexes = indexes.chain(profile.pip.extra_index_urls.iter().map(|index| (&index.value, &index.origin)));
    for (index, origin) in indexes.filter(|(index, _)| index.scheme() == "http" && !is_loopback(index)) {
        if let Some(login) = profile.logins.iter().find(|login| login.value.site.url().host() == index.host()) {
            let message = format!(
                "`{index}` (at {origin}) is asked in plain text, and its host has a login (at {})",
                login.origin
            );
            found.push(Diagnostic::nowhere(message).hint("use `https://` for both"));
        }
    }
}
