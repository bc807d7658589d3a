//! Names in the one-line title of a step.

use crate::report::text::counted;

const NAMED: usize = 3;

/// Names joined by commas. A long list is shortened to its first three names and the number of the others.
pub(crate) fn listed(names: impl Iterator<Item = String>) -> String {
    let names: Vec<String> = names.collect();
    match names.len() {
        count if count > NAMED + 1 => format!("{} and {} more", names[..NAMED].join(", "), count - NAMED),
        _ => names.join(", "),
    }
}

/// A package with its version, if it is pinned: `jq=1.6`.
pub(crate) fn pinned(name: &str, sign: &str, version: Option<&str>) -> String {
    version.map_or_else(|| name.to_owned(), |version| format!("{name}{sign}{version}"))
}

/// The last part of a path.
pub(crate) fn file_name(path: &std::path::Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// The line that says that the versions come from the lock.
pub(crate) fn by_lock(count: usize, what: &str) -> String {
    format!("{} by the lock, and no other", counted(count, what))
}
