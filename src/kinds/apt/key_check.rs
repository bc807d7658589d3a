//! Compares the keys of a package source with the fingerprints in the profile.

use std::collections::BTreeSet;

use crate::{openpgp::KeyRing, problem::Problem};

/// The keys of a file, after a comparison of their fingerprints. apt trusts all keys of a file, so each of them must be
/// in the profile.
pub(super) fn checked(source: &str, bytes: &[u8], expected: &BTreeSet<String>) -> Result<KeyRing, Problem> {
    compared(bytes, expected).map_err(|why| {
        let message = format!("the key of apt source `{source}` {}", why.message);
        Problem { message, ..why }
    })
}

fn compared(bytes: &[u8], expected: &BTreeSet<String>) -> Result<KeyRing, Problem> {
    let ring = KeyRing::parse(bytes)
        .map_err(|error| Problem::refused("cannot be used").because(&error).hint(error.hint().to_owned()))?;
    let found = ring.fingerprints();
    if found == expected {
        return Ok(ring);
    }
    let joined = |keys: &BTreeSet<String>| keys.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
    let error = if found.is_disjoint(expected) {
        Problem::refused("does not have the fingerprint in the profile")
            .hint("compare the key with the one its owner publishes before changing the profile".to_owned())
    } else if found.is_superset(expected) {
        let exported = expected.iter().map(String::as_str).collect::<Vec<_>>().join(" ");
        Problem::refused("is in a file with other keys, which apt would trust, too").hint(format!(
            "export what the profile names with `gpg --export --armor {exported}`, or add the other fingerprints to \
             `fingerprint` after checking them"
        ))
    } else {
        Problem::refused("is in a file that does not contain all keys of `fingerprint`")
            .hint("remove the fingerprints of keys that their owner no longer publishes".to_owned())
    };
    Err(error.cause(format!("expected {}", joined(expected))).cause(format!("found {}", joined(found))))
}
