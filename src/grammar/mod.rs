//! Grammars of the TOML files that people write: from bytes to raw types, with a location for every mistake. The
//! modules above define the meaning of a file.

pub(crate) mod document;
mod document_kind;
pub(crate) mod names;
mod read;
pub(crate) mod secret_source;
mod shape;

pub(crate) use document_kind::DocumentKind;
pub(crate) use read::{Keys, json_schema, json_schema_of, read, read_keys, unknown_version};
