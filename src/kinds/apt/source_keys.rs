//! Reads the keys of package sources.

use super::key_check::checked;
use crate::{
    kinds::apt::{AptSource, AptSources, KeyContent},
    openpgp::KeyRing,
    problem::Problem,
};

/// The keys of each source, in the order of the sources. Every key is checked before it is returned.
///
/// # Errors
/// If a key does not have its fingerprints. Such a run is refused.
pub(super) fn read(wanted: &AptSources) -> Result<Vec<KeyRing>, Problem> {
    let read = |source: &AptSource| {
        let bytes = match &source.key.content {
            KeyContent::Known(bytes) => bytes.clone(),
            KeyContent::Staged(path) => std::fs::read(path)
                .map_err(|error| Problem::refused(format!("`{}` could not be read: {error}", path.display())))?,
        };
        checked(&source.name, &bytes, &source.key.fingerprints).map_err(|why| why.asked_at(source.key.origin.clone()))
    };
    wanted.sources.iter().map(read).collect()
}
