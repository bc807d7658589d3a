//! Texts that people write for the agent, in TOML: from bytes to raw types, with every mistake at its place. What a
//! text means is the business of those above.

pub(crate) mod document;
pub(crate) mod names;
mod read;
pub(crate) mod secret_source;
mod shape;

pub(crate) use read::{DocumentKind, json_schema, read, unknown_version};
