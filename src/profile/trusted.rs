//! Rejects, under trusted keys, packages that are fetched by their names alone when no signed text names the files.
//!
//! apt is the exception: its repositories are signed down to the digest of each archive, by keys that the node's image or, by
//! fingerprint, the signed profile names.

use super::{Profile, Sections};
use crate::diagnostic::{Diagnostic, Origin};

const HINT: &str = "a signed lock names what comes by digest; without one, put the files into the file store and name them with \
                    their `sha256`";

/// Entries of one kind that are fetched by their names alone.
#[derive(Debug)]
pub struct FetchedByName<'a> {
    /// The beginning of the message, such as `R packages are asked for by their names`.
    pub message: &'static str,
    /// The line of the first entry.
    pub origin: &'a Origin,
    /// The names.
    pub names: Vec<&'a str>,
}

impl<'a> FetchedByName<'a> {
    /// `None` when there are no entries.
    pub fn of<T>(
        message: &'static str,
        entries: &'a [super::Entry<T>],
        name: impl Fn(&'a T) -> &'a String,
    ) -> Option<Self> {
        let origin = &entries.first()?.origin;
        Some(Self { message, origin, names: entries.iter().map(|entry| name(&entry.value).as_str()).collect() })
    }
}

/// Rejects entries that would be fetched by their names alone.
pub(super) fn reject_names<S: Sections>(profile: &Profile<S>, found: &mut Vec<Diagnostic>) {
    found.extend(profile.sections.fetched_by_name().into_iter().map(|entries| {
        let names: Vec<String> = entries.names.iter().map(|name| format!("`{name}`")).collect();
        let message =
            format!("{}, and nothing signed says what comes (asked for at {})", entries.message, entries.origin);
        Diagnostic::nowhere(message).causes(vec![names.join(", ")]).hint(HINT)
    }));
}
