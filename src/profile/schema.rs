//! The grammar as JSON Schema, for editors and for our own shape check.

use serde_json::Value;

use super::{SCHEMA, raw::RawProfile};

/// The JSON Schema (draft 2020-12) of a profile.
pub fn json_schema() -> Value {
    crate::grammar::json_schema::<RawProfile>(SCHEMA)
}
