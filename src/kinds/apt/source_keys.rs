//! Compares the keys of package sources with the fingerprints in the profile.

use super::key::{self, KeyError};
use crate::{
    kinds::apt::{AptKey, AptSources},
    problem::Problem,
};

/// Checks the fingerprint of every key before anything is written. apt trusts all keys of a file, so each of them
/// must have the expected fingerprint.
pub(super) fn check(wanted: &AptSources) -> Result<(), Problem> {
    wanted.sources.iter().filter_map(|source| Some((&source.name, source.key.as_ref()?))).try_for_each(|(name, key)| {
        check_key(key)
            .map_err(|why| Problem { message: format!("the key of apt source `{name}` {}", why.message), ..why })
    })
}

fn check_key(key: &AptKey) -> Result<(), Problem> {
    let found = match key::fingerprints(&key.bytes) {
        Ok(found) => found,
        Err(error) => {
            let hint =
                (error == KeyError::Secret).then(|| "export it with `gpg --export`, not `--export-secret-keys`".into());
            return Err(Problem::refused("cannot be used").because(&error).hint(hint));
        }
    };
    if found.iter().all(|found| *found == key.fingerprint) {
        return Ok(());
    }
    let error = if found.contains(&key.fingerprint) {
        Problem::refused("is not alone in its file, and apt would trust all of them")
            .hint(format!("export this one with `gpg --export --armor {}`", key.fingerprint))
    } else {
        Problem::refused("does not have the fingerprint the profile names")
            .hint("compare the key with the one its owner publishes before changing the profile".to_owned())
    };
    Err(error.cause(format!("expected {}", key.fingerprint)).cause(format!("found {}", found.join(", "))))
}
