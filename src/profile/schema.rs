//! The grammar as JSON Schema, for editors and for the shape check.

use std::collections::BTreeSet;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::Value;

use super::{SCHEMA, Sections, head::Head};
use crate::grammar;

/// The JSON Schema (draft 2020-12) of a profile with the sections of all kinds.
pub fn json_schema<S: Sections>() -> Value {
    grammar::json_schema_of(SCHEMA, |generator| whole::<S>(generator, &|_| true))
}

/// The JSON Schema of a profile that has only these keys at its top. The other keys are named, without their shapes.
pub(super) fn json_schema_for<S: Sections>(names: &BTreeSet<&str>) -> Value {
    let is_present = |keys: &[&str]| keys.iter().any(|key| names.contains(key));
    grammar::json_schema_of(SCHEMA, |generator| whole::<S>(generator, &is_present))
}

/// The head of a profile, with the properties of all kinds beside its own.
fn whole<S: Sections>(generator: &mut SchemaGenerator, is_present: &dyn Fn(&[&str]) -> bool) -> Schema {
    let mut schema = Head::json_schema(generator);
    for section in S::schemas(generator, is_present) {
        let Some(more) = section.get("properties").and_then(Value::as_object).cloned() else { continue };
        if let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) {
            properties.extend(more);
        }
    }
    schema
}
