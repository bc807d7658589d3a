//! What a profile may not ask for under trusted keys: packages by their names, where nothing signed says what comes.
//!
//! apt is the exception: its repositories are signed themselves, by keys that the node's image or, by fingerprint, the
//! signed profile vouches for, down to the digest of each archive.

use super::{Entry, Profile};
use crate::diagnostic::Diagnostic;

const HINT: &str = "a signed lock names what comes by digest; without one, put the files into the file store and name them with \
                    their `sha256`";

/// Refuses what would be fetched by its name alone.
pub(super) fn refuse_names(profile: &Profile, found: &mut Vec<Diagnostic>) {
    let pip = &profile.pip;
    found.extend(by_name("Python packages are asked for by their names", &pip.packages, |text| text));
    found.extend(by_name("requirements files ask for packages by their names", &pip.requirements, |file| &file.path));
    found.extend(by_name("R packages are asked for by their names", &profile.r.packages, |package| &package.name));
}

/// One mistake for all entries of a kind.
fn by_name<T>(what: &str, entries: &[Entry<T>], name: impl Fn(&T) -> &String) -> Option<Diagnostic> {
    let first = entries.first()?;
    let names: Vec<String> = entries.iter().map(|entry| format!("`{}`", name(&entry.value))).collect();
    let message = format!("{what}, and nothing signed says what comes (asked for at {})", first.origin);
    Some(Diagnostic::nowhere(message).causes(vec![names.join(", ")]).hint(HINT))
}
