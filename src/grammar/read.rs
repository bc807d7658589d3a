//! Reads a document: UTF-8, then TOML, then a comparison with the JSON Schema, then the raw types.

use std::{
    borrow::Cow,
    collections::BTreeSet,
    sync::{Arc, LazyLock},
};

use regex_lite::Regex;
use schemars::{JsonSchema, Schema, SchemaGenerator, generate::SchemaSettings};
use serde::de::DeserializeOwned;
use serde_json::Value;
use toml::{
    Spanned,
    de::{DeTable, DeValue, Deserializer},
};

use super::{document::Document, document_kind::DocumentKind, shape};
use crate::diagnostic::{Diagnostic, Source};

/// The JSON Schema (draft 2020-12) of a grammar with one supported version.
pub(crate) fn json_schema<T: JsonSchema>(version: u32) -> Value {
    json_schema_of(version, T::json_schema)
}

/// The same for a grammar that is put together from parts.
pub(crate) fn json_schema_of(version: u32, whole: impl FnOnce(&mut SchemaGenerator) -> Schema) -> Value {
    let mut generator = SchemaSettings::draft2020_12().into_generator();
    let mut schema = whole(&mut generator).to_value();
    let definitions = generator.take_definitions(true);
    if let Some(object) = schema.as_object_mut() {
        object.insert(
            "$schema".to_owned(),
            generator.settings().meta_schema.clone().map_or(Value::Null, |uri| uri.into_owned().into()),
        );
        object.insert("$defs".to_owned(), Value::Object(definitions));
    }
    // TOML has no null: a key that may be left out is not there.
    without_null(&mut schema);
    // The supported version is a `const` in the schema.
    if let Some(known) = schema.pointer_mut("/properties/schema") {
        known["const"] = version.into();
    }
    schema
}

/// Takes `null` out of the types that schemars writes for optional keys.
fn without_null(schema: &mut Value) {
    match schema {
        Value::Object(object) => {
            if let Some(Value::Array(types)) = object.get_mut("type") {
                types.retain(|name| name != "null");
                if let [only] = types.as_slice() {
                    let only = only.clone();
                    object.insert("type".to_owned(), only);
                }
            }
            if let Some(Value::Array(branches)) = object.get_mut("anyOf") {
                branches.retain(|branch| branch.get("type").is_none_or(|name| name != "null"));
                if let [Value::Object(only)] = branches.as_slice() {
                    let only = only.clone();
                    object.remove("anyOf");
                    object.extend(only);
                }
            }
            if object.get("default").is_some_and(Value::is_null) {
                object.remove("default");
            }
            if let Some(Value::Array(values)) = object.get_mut("enum") {
                values.retain(|value| !value.is_null());
            }
            object.values_mut().for_each(without_null);
        }
        Value::Array(list) => list.iter_mut().for_each(without_null),
        _ => {}
    }
}

/// The keys of a text that has the shape of its schema, to be read in parts.
pub struct Keys<'t>(DeTable<'t>);

impl Keys<'_> {
    /// Reads the keys of these names.
    pub fn take<T: DeserializeOwned>(&mut self, names: &[&str]) -> Result<T, toml::de::Error> {
        let (taken, rest): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.0).into_iter().partition(|(key, _)| names.contains(&key.get_ref().as_ref()));
        self.0 = rest.into_iter().collect();
        T::deserialize(Deserializer::from(Spanned::new(0..0, taken.into_iter().collect::<DeTable<'_>>())))
    }

    /// Reads all keys that are left.
    pub fn rest<T: DeserializeOwned>(&mut self) -> Result<T, toml::de::Error> {
        T::deserialize(Deserializer::from(Spanned::new(0..0, std::mem::take(&mut self.0))))
    }
}

/// Reads a document. Invalid values are reported and left out. Returns `None` if nothing can be read.
#[expect(clippy::redundant_closure_for_method_calls, reason = "the path of the method has one lifetime, not any")]
pub(crate) fn read<T: DeserializeOwned>(
    kind: &DocumentKind,
    schema: &Value,
    label: &str,
    bytes: &[u8],
    found: &mut Vec<Diagnostic>,
) -> Option<(Document, T)> {
    read_keys(kind, |_| Cow::Borrowed(schema), label, bytes, found, |keys| keys.rest())
}

/// The same for a text whose keys are read in parts. `schema` returns the schema of a document with these keys at its
/// top, or of any document.
pub(crate) fn read_keys<'s, T>(
    kind: &DocumentKind,
    schema: impl Fn(Option<&BTreeSet<&str>>) -> Cow<'s, Value>,
    label: &str,
    bytes: &[u8],
    found: &mut Vec<Diagnostic>,
    parse: impl FnOnce(&mut Keys<'_>) -> Result<T, toml::de::Error>,
) -> Option<(Document, T)> {
    let content = match std::str::from_utf8(bytes) {
        Ok(content) => content.strip_prefix('\u{feff}').unwrap_or(content),
        Err(error) => {
            let line = bytes[..error.valid_up_to()].iter().filter(|&&byte| byte == b'\n').count() + 1;
            let message = format!("`{label}` is not UTF-8 text (line {line})");
            found.push(Diagnostic::nowhere(message).hint("save the file as UTF-8"));
            return None;
        }
    };
    // Inline texts are written to files, where Windows line ends are not wanted.
    let source = Source::new(label, content.replace("\r\n", "\n"));
    let (mut table, errors) = DeTable::parse_recoverable(&source.text);
    let mut document = Document::new(&source, &table);
    if let Some(error) = errors.first() {
        // After a syntax error the rest may be misread, and further errors would mislead.
        found.push(syntax_error(kind, &source, error));
        return None;
    }
    // To generate the whole schema takes longer than all other reading. Only the hints of mistakes need it.
    let names = table.get_ref().keys().map(|name| name.get_ref().as_ref()).collect();
    let part = schema(Some(&names));
    let mut mistakes = shape::check(kind, &source, &part, &mut table);
    if !mistakes.is_empty() {
        (table, _) = DeTable::parse_recoverable(&source.text);
        mistakes = shape::check(kind, &source, &schema(None), &mut table);
    }
    found.extend(mistakes);
    document.keep(&table);
    stand_in_for_missing(kind, &mut table);
    match parse(&mut Keys(table.into_inner())) {
        Ok(raw) => Some((document, raw)),
        Err(error) => {
            let span = error.span().unwrap_or(0..0);
            found.push(Diagnostic::at(&source, span, error.message().to_owned()));
            None
        }
    }
}

/// The error for a document of another version.
pub(crate) fn unknown_version(kind: &DocumentKind, document: &Document, written: u32, known: u32) -> Diagnostic {
    let message = format!("schema {written} is not known to this agent, only {known} is");
    let hint = format!("write `schema = {known}`, or use the version of nodeagent {} was written for", kind.the);
    document.mistake(&["schema".into()], message).hint(hint)
}

static YAML_KEY: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"^\s*[A-Za-z_-]+:(\s|$)").expect("it is fixed"));

fn syntax_error(kind: &DocumentKind, source: &Arc<Source>, error: &toml::de::Error) -> Diagnostic {
    let end = source.text.len();
    let span = error.span().unwrap_or(end..end);
    let message = error.message().lines().map(str::trim).collect::<Vec<_>>().join(", ");
    let before = source.text.get(..span.start).unwrap_or_default();
    let line = source.text[before.rfind('\n').map_or(0, |end| end + 1)..].lines().next().unwrap_or_default();
    let looks_like = |other: &str| format!("this looks like {other}; {} is TOML: `schema = 1`", kind.a);
    let hint = match message.as_str() {
        "duplicate key" => {
            let name = source.text.get(span.clone()).unwrap_or_default();
            let hint = "a key or section may be there once; put both together";
            return Diagnostic::at(source, span, format!("`{name}` is there twice")).hint(hint);
        }
        _ if source.text.trim_start().starts_with('{') => looks_like("JSON"),
        _ if YAML_KEY.is_match(line) => looks_like("YAML"),
        text if text.contains("array") => {
            "the values of a list are separated by commas, and a `]` ends it; the mistake may be in the line before"
                .to_owned()
        }
        text if text.starts_with("key with no value") => "write `key = value`".to_owned(),
        _ => "this is not TOML; https://toml.io has the syntax".to_owned(),
    };
    Diagnostic::at(source, span, message).hint(hint)
}

fn stand_in_for_missing(kind: &DocumentKind, table: &mut Spanned<DeTable<'_>>) {
    let stand_in = |text: &'static str| DeValue::parse(text).expect("a literal").into_inner();
    for (key, value) in kind.stand_ins {
        if !table.get_ref().contains_key(*key) {
            table.get_mut().insert(Spanned::new(0..0, (*key).into()), Spanned::new(0..0, stand_in(value)));
        }
    }
}
