//! Compares a parsed document with the JSON Schema of its grammar and reports every mistake with its location.
//!
//! Invalid values are removed from the table, so that the rest can be read and checked. Only the parts of JSON Schema
//! that the raw types use are supported: object, array, scalar types, `enum`, `const`, `anyOf` and `$ref`.

use std::{borrow::Cow, ops::Range, sync::Arc};

use serde_json::Value as Schema;
use toml::{
    Spanned,
    de::{DeArray, DeTable, DeValue},
};

use super::document_kind::{DocumentKind, KeyPath};
use crate::diagnostic::{Diagnostic, Source, nearest};

/// Removes invalid values from the table and returns the mistakes.
pub(super) fn check(
    kind: &DocumentKind,
    source: &Arc<Source>,
    schema: &Schema,
    table: &mut Spanned<DeTable<'_>>,
) -> Vec<Diagnostic> {
    let mut walk = Walk { kind, source, root: schema, path: Vec::new(), found: Vec::new() };
    walk.table(schema, table.get_mut(), &(0..0), kind.the);
    walk.found
}

struct Walk<'a> {
    kind: &'a DocumentKind,
    source: &'a Arc<Source>,
    root: &'a Schema,
    /// The keys of the value that is checked, without the indexes of lists.
    path: Vec<String>,
    found: Vec<Diagnostic>,
}

impl<'a> Walk<'a> {
    fn resolve(&self, schema: &'a Schema) -> &'a Schema {
        let Some(reference) = schema.get("$ref").and_then(Schema::as_str) else { return schema };
        let target = reference.strip_prefix('#').and_then(|pointer| self.root.pointer(pointer));
        target.map_or(schema, |target| self.resolve(target))
    }

    /// Whether the present path ends with these keys.
    fn is_at(&self, keys: KeyPath) -> bool {
        let last = self.path.len().checked_sub(keys.len()).map(|start| &self.path[start..]);
        last.is_some_and(|last| last.iter().zip(keys).all(|(key, wanted)| *wanted == "*" || key == wanted))
    }

    /// A hint about the section that an unknown key belongs to.
    fn home(&self, name: &str) -> Option<String> {
        let sections = self.root.get("properties")?.as_object()?;
        if sections.contains_key(name) {
            return Some(format!("`{name}` belongs to {} itself: write it above the first `[section]`", self.kind.the));
        }
        let has = |schema: &&Schema| self.resolve(schema).pointer(&format!("/properties/{name}")).is_some();
        // The conditions of the whole file are no section.
        let homes = sections.iter().filter(|(section, schema)| *section != "when" && has(schema));
        let mut homes = homes.map(|(section, _)| section);
        match (homes.next(), homes.next()) {
            (Some(only), None) => Some(format!("`{name}` belongs in `[{only}]`")),
            _ => None,
        }
    }

    /// The branch of an `anyOf` for a value of this type.
    fn branch(&self, schema: &'a Schema, value: &DeValue<'_>) -> &'a Schema {
        let schema = self.resolve(schema);
        let Some(branches) = schema.get("anyOf").and_then(Schema::as_array) else { return schema };
        branches
            .iter()
            .map(|branch| self.branch(branch, value))
            .find(|branch| is_of_type(branch, value))
            .unwrap_or(schema)
    }

    fn table<'t>(&mut self, schema: &'a Schema, table: &mut DeTable<'t>, at: &Range<usize>, what: &str) {
        let properties = schema.get("properties").and_then(Schema::as_object);
        let open = schema.get("additionalProperties").filter(|schema| schema.is_object());
        let mut misfits = Vec::new();
        let keep = |(key, mut value): (Spanned<Cow<'t, str>>, Spanned<DeValue<'t>>)| {
            let name = key.get_ref().as_ref();
            self.path.push(name.to_owned());
            let fits = match (properties.and_then(|known| known.get(name)), open) {
                (Some(schema), _) | (None, Some(schema)) => self.value(schema, name, &mut value, false),
                (None, None) => {
                    let known = || properties.into_iter().flat_map(|known| known.keys().map(String::as_str));
                    let missed = self.kind.missed.iter().find(|(missed, _)| self.is_at(missed));
                    let hint = match (nearest(name, known()), self.home(name)) {
                        _ if missed.is_some() => missed.map(|(_, hint)| (*hint).to_owned()).unwrap_or_default(),
                        (Some(near), _) => format!("did you mean `{near}`?"),
                        (None, Some(home)) => home,
                        (None, None) => format!("known keys here: {}", quoted(known())),
                    };
                    let problem = Diagnostic::at(self.source, key.span(), format!("unknown key `{name}` in {what}"));
                    self.found.push(problem.hint(hint));
                    false
                }
            };
            self.path.pop();
            if !fits {
                misfits.push(name.to_owned());
            }
            fits.then_some((key, value))
        };
        *table = std::mem::replace(table, DeTable::new()).into_iter().filter_map(keep).collect();
        for name in schema.get("required").and_then(Schema::as_array).into_iter().flatten().filter_map(Schema::as_str) {
            if !table.contains_key(name) && !misfits.iter().any(|misfit| misfit == name) {
                let problem = Diagnostic::at(self.source, at.clone(), format!("`{name}` is missing in {what}"));
                let schema = properties.and_then(|known| known.get(name));
                let hint = schema.and_then(|schema| description(schema, name)).map(|text| format!("add {text}"));
                self.found.push(problem.maybe_hint(hint));
            }
        }
    }

    /// Checks a value. Returns whether it may stay in the table.
    fn value(&mut self, schema: &'a Schema, name: &str, value: &mut Spanned<DeValue<'_>>, is_item: bool) -> bool {
        let described = (!is_item).then_some(schema);
        let schema = self.branch(schema, value.get_ref());
        let span = value.span();
        if !is_of_type(schema, value.get_ref()) {
            let wanted = expected(self, schema);
            let what = if is_item { format!("an entry of `{name}`") } else { format!("`{name}`") };
            let found = found_type(value.get_ref());
            let problem = format!("{what} is {found}, expected {wanted}");
            let mistyped = self.kind.mistyped.iter().find(|(path, is, _)| *is == found && self.is_at(path));
            let hint = match value.get_ref() {
                _ if mistyped.is_some() => mistyped.map(|(_, _, hint)| (*hint).to_owned()),
                DeValue::String(text) if wanted == "a list" => Some(format!("write `{name} = [\"{text}\"]`")),
                DeValue::Array(_) if wanted == "a table" => Some(format!("write it once, as `[{name}]`")),
                DeValue::Integer(_) if wanted == "a string" => described
                    .and_then(|schema| description(schema, name))
                    .map(|text| format!("write it in quotes; {text}")),
                _ => described.and_then(|schema| description(schema, name)),
            };
            self.found.push(Diagnostic::at(self.source, span, problem).maybe_hint(hint));
            return false;
        }
        match value.get_mut() {
            DeValue::Table(table) => {
                let what = if is_item { format!("an entry of `{name}`") } else { format!("`{name}`") };
                self.table(schema, table, &span, &what);
                let mut needed = schema.get("required").and_then(Schema::as_array).into_iter().flatten();
                let is_whole = needed.all(|key| key.as_str().is_none_or(|key| table.contains_key(key)));
                if let (false, Some(last)) = (is_whole, self.found.last_mut()) {
                    // The entry is removed because a required key is missing, so no rule checks its other keys.
                    let hint = last.hint.take().map(|hint| hint + "; ").unwrap_or_default();
                    last.hint = Some(hint + "fix this first: the entry may have more mistakes");
                }
                is_whole
            }
            DeValue::Array(array) => {
                if let Some(items) = schema.get("items") {
                    let kept = std::mem::replace(array, DeArray::new())
                        .into_iter()
                        .filter_map(|mut item| self.value(items, name, &mut item, true).then_some(item));
                    *array = kept.collect();
                }
                true
            }
            DeValue::String(text) => self.known_value(schema, name, text, &span),
            _ => true,
        }
    }

    fn known_value(&mut self, schema: &Schema, name: &str, text: &str, span: &Range<usize>) -> bool {
        let known = known_values(schema);
        if known.is_empty() || known.contains(&text) {
            return true;
        }
        let hint = match nearest(text, known.iter().copied()) {
            Some(near) => format!("did you mean `{near}`? known values: {}", quoted(known.iter().copied())),
            None => format!("known values: {}", quoted(known.iter().copied())),
        };
        let problem = Diagnostic::at(self.source, span.clone(), format!("`{text}` is not a value of `{name}`"));
        self.found.push(problem.hint(hint));
        false
    }
}

/// The values of an enumeration, in each form that schemars writes.
fn known_values(schema: &Schema) -> Vec<&str> {
    let listed = schema.get("enum").and_then(Schema::as_array).into_iter().flatten();
    let single = ["oneOf", "anyOf"].iter().filter_map(|key| schema.get(key).and_then(Schema::as_array)).flatten();
    listed.chain(single.filter_map(|branch| branch.get("const"))).filter_map(Schema::as_str).collect()
}

fn types(schema: &Schema) -> Vec<&str> {
    match schema.get("type") {
        Some(Schema::String(one)) => vec![one],
        Some(Schema::Array(several)) => several.iter().filter_map(Schema::as_str).collect(),
        _ if !known_values(schema).is_empty() => vec!["string"],
        _ => Vec::new(),
    }
}

fn is_of_type(schema: &Schema, value: &DeValue<'_>) -> bool {
    let name = match value {
        DeValue::String(_) => "string",
        DeValue::Integer(_) => "integer",
        DeValue::Float(_) => "number",
        DeValue::Boolean(_) => "boolean",
        DeValue::Datetime(_) => "datetime",
        DeValue::Array(_) => "array",
        DeValue::Table(_) => "object",
    };
    types(schema).contains(&name)
}

fn expected(walk: &Walk<'_>, schema: &Schema) -> String {
    let mut names: Vec<&str> = Vec::new();
    for name in all_types(walk, schema) {
        let words = match name {
            "string" => "a string",
            "integer" => "a whole number",
            "boolean" => "true or false",
            "array" => "a list",
            "object" => "a table",
            _ => continue,
        };
        if !names.contains(&words) {
            names.push(words);
        }
    }
    match names.as_slice() {
        [several @ .., last] if several.len() > 1 => format!("{} or {last}", several.join(", ")),
        _ => names.join(" or "),
    }
}

/// The types of a schema and of all its branches.
fn all_types<'s>(walk: &Walk<'s>, schema: &'s Schema) -> Vec<&'s str> {
    let schema = walk.resolve(schema);
    match schema.get("anyOf").and_then(Schema::as_array) {
        Some(branches) if known_values(schema).is_empty() => {
            branches.iter().flat_map(|branch| all_types(walk, branch)).collect()
        }
        _ => types(schema),
    }
}

fn found_type(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a fraction",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date or time",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

/// The description of a key in the grammar: "`timeout`: how long it may take, such as `90s` or `5m`".
fn description(schema: &Schema, name: &str) -> Option<String> {
    let text = schema.get("description")?.as_str()?.lines().next()?.trim_end_matches('.');
    let mut letters = text.chars();
    let first = letters.next()?;
    let is_name = ["Debian", "Python", "SHA", "R "].iter().any(|name| text.starts_with(name));
    let first = if is_name { first } else { first.to_ascii_lowercase() };
    Some(format!("`{name}`: {first}{}", letters.as_str()))
}

fn quoted<'s>(names: impl Iterator<Item = &'s str>) -> String {
    names.map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}
