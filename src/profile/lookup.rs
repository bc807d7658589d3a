//! Looks up the value of a variable on the node: in the environment, in a file, or in the metadata of the cloud. It
//! starts no program.

use std::fmt;

use regex::Regex;

use super::head::Lookup;
use crate::{facts::NodeFacts, fs::read_bounded};

/// The largest file that a lookup reads, in bytes.
const LARGEST_FILE: u64 = 16 << 20;

/// The metadata of the instance. The caller of the profile implements it, because a profile sends no request.
pub trait Metadata {
    /// The value of a key. `None` if there is no such key.
    ///
    /// # Errors
    /// The reason in one line, if the service could not be asked.
    fn value(&self, key: &str) -> Result<Option<String>, String>;
}

impl fmt::Debug for dyn Metadata + '_ {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Metadata")
    }
}

/// The text that a lookup finds. `file` is its file with `${…}` replaced.
///
/// # Errors
/// Why it finds nothing, as a clause.
pub(super) fn find(
    lookup: &Lookup,
    file: Option<&str>,
    facts: &NodeFacts,
    metadata: Option<&dyn Metadata>,
) -> Result<String, String> {
    if let Some(name) = &lookup.env {
        let set = facts.env.get(name).filter(|value| !value.is_empty());
        return set.cloned().ok_or_else(|| format!("the environment variable `{name}` is not set"));
    }
    if let Some(file) = file {
        return in_file(file, lookup.pattern.as_deref(), facts);
    }
    let Some(key) = &lookup.metadata else { return Err("its lookup is incomplete".to_owned()) };
    let Some(metadata) = metadata else { return Err("the metadata of the instance is not asked here".to_owned()) };
    match metadata.value(key) {
        Ok(Some(value)) => Ok(value),
        Ok(None) => Err(format!("the metadata of the instance has no `{key}`")),
        Err(reason) => Err(format!("the metadata of the instance has no value for `{key}`: {reason}")),
    }
}

fn in_file(file: &str, pattern: Option<&str>, facts: &NodeFacts) -> Result<String, String> {
    let path = facts.root.join(file.trim_start_matches('/'));
    let bytes =
        read_bounded(&path, LARGEST_FILE).map_err(|error| format!("the file `{file}` could not be read: {error}"))?;
    let text = String::from_utf8_lossy(&bytes);
    let Some(pattern) = pattern else { return Ok(text.trim().to_owned()) };
    // An invalid expression is a mistake of the profile, which its rules report.
    let matched =
        Regex::new(pattern).ok().and_then(|pattern| Some(pattern.captures(&text)?.get(1)?.as_str().to_owned()));
    matched.ok_or_else(|| format!("`{pattern}` does not match in the file `{file}`"))
}
