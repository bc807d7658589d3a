//! Grammars of the TOML files that people write: from bytes to raw types, with a location for every mistake. The
//! modules above define the meaning of a file.

pub(crate) mod document;
pub(crate) mod names;
mod read;
pub(crate) mod secret_source;
mod shape;

pub(crate) use read::Keys;
pub(crate) use read::{DocumentKind, json_schema, json_schema_of, read, read_keys, unknown_version};
