//! The grammar as JSON Schema, for editors and for the shape check.

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::Value;

use super::{SCHEMA, Sections, head::Head};
use crate::grammar;

/// The JSON Schema (draft 2020-12) of a profile with the sections of all kinds.
pub fn json_schema<S: Sections>() -> Value {
    grammar::json_schema_of(SCHEMA, whole::<S>)
}

/// The head of a profile, with the properties of all kinds beside its own.
fn whole<S: Sections>(generator: &mut SchemaGenerator) -> Schema {
    let mut schema = Head::json_schema(generator);
    for section in S::schemas(generator) {
        let Some(more) = section.get("properties").and_then(Value::as_object).cloned() else { continue };
        if let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) {
            properties.extend(more);
        }
    }
    schema
}
