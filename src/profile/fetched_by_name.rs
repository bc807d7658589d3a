//! Entries that are fetched by name, without a digest.

use super::Entry;
use crate::diagnostic::Origin;

/// Entries of one kind that are fetched by name, without a digest.
#[derive(Debug)]
pub struct FetchedByName<'a> {
    /// The beginning of the message, such as `R packages are requested by name`.
    pub message: &'static str,
    /// The line of the first entry.
    pub origin: &'a Origin,
    /// The names.
    pub names: Vec<&'a str>,
}

impl<'a> FetchedByName<'a> {
    /// `None` when there are no entries.
    pub fn of<T>(message: &'static str, entries: &'a [Entry<T>], name: impl Fn(&'a T) -> &'a String) -> Option<Self> {
        let origin = &entries.first()?.origin;
        Some(Self { message, origin, names: entries.iter().map(|entry| name(&entry.value).as_str()).collect() })
    }
}
