//! Under trusted keys, rejects packages that are fetched by name if no signed text contains their digests.
//!
//! apt is the exception: its repositories are signed, including the digest of each archive. The keys come from the
//! node's image or, by fingerprint, from the signed profile.

use super::{Profile, Sections};
use crate::diagnostic::Diagnostic;

const HINT: &str = "a signed lock names what comes by digest; without one, put the files into the file store and name them with \
                    their `sha256`";

/// Rejects entries that would be fetched by name, without a digest.
pub(super) fn reject_names<S: Sections>(profile: &Profile<S>, found: &mut Vec<Diagnostic>) {
    found.extend(profile.sections.fetched_by_name().into_iter().map(|entries| {
        let names: Vec<String> = entries.names.iter().map(|name| format!("`{name}`")).collect();
        let message =
            format!("{}, and no signed file has their digests (asked for at {})", entries.message, entries.origin);
        Diagnostic::nowhere(message).causes(vec![names.join(", ")]).hint(HINT)
    }));
}
