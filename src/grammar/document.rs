//! A text and the place of each value in it.

use std::{collections::BTreeMap, ops::Range, sync::Arc};

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use crate::diagnostic::{Diagnostic, Origin, Source};

/// A part of the way from the top of a document to a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Part {
    /// A key of a table.
    Key(String),
    /// A place in a list, from 0.
    Index(usize),
}

impl From<&str> for Part {
    fn from(key: &str) -> Self {
        Self::Key(key.to_owned())
    }
}

impl From<usize> for Part {
    fn from(index: usize) -> Self {
        Self::Index(index)
    }
}

/// A text, and where each of its values stands.
#[derive(Debug)]
pub(crate) struct Document {
    pub(crate) source: Arc<Source>,
    top: Place,
}

#[derive(Debug)]
struct Place {
    span: Range<usize>,
    key: Option<Range<usize>>,
    below: Below,
}

#[derive(Debug)]
enum Below {
    Nothing,
    Table(BTreeMap<String, Place>),
    List(Vec<Place>),
}

impl Document {
    pub(crate) fn new(source: &Arc<Source>, table: &Spanned<DeTable<'_>>) -> Self {
        let top = Place { span: 0..0, key: None, below: places_of_table(table.get_ref()) };
        Self { source: Arc::clone(source), top }
    }

    /// Counts lists as what was kept of them: entries that did not fit were left out, and stand behind the others now.
    pub(crate) fn keep(&mut self, table: &Spanned<DeTable<'_>>) {
        keep_table(&mut self.top.below, table.get_ref());
    }

    /// The byte range of the value at a path; that of the nearest value above when it is not there.
    pub(crate) fn span(&self, path: &[Part]) -> Range<usize> {
        self.nearest(path).0.span.clone()
    }

    /// The byte range of the key of the value at a path.
    pub(crate) fn key_span(&self, path: &[Part]) -> Range<usize> {
        let (place, _) = self.nearest(path);
        place.key.as_ref().unwrap_or(&place.span).clone()
    }

    /// Whether the text has a value at a path, of whatever shape.
    pub(crate) fn has(&self, path: &[Part]) -> bool {
        self.nearest(path).1
    }

    /// The value at a path or the nearest above it, and whether it is the very one.
    fn nearest(&self, path: &[Part]) -> (&Place, bool) {
        let mut place = &self.top;
        for part in path {
            let next = match (part, &place.below) {
                (Part::Key(key), Below::Table(table)) => table.get(key),
                (Part::Index(index), Below::List(list)) => list.get(*index),
                _ => None,
            };
            let Some(next) = next else { return (place, false) };
            place = next;
        }
        (place, true)
    }

    /// The place of the value at a path.
    pub(crate) fn origin(&self, path: &[Part]) -> Origin {
        self.source.origin(&self.span(path))
    }

    /// A mistake in the value at a path.
    pub(crate) fn mistake(&self, path: &[Part], message: impl Into<String>) -> Diagnostic {
        Diagnostic::at(&self.source, self.span(path), message)
    }
}

fn keep_table(below: &mut Below, table: &DeTable<'_>) {
    let Below::Table(places) = below else { return };
    for (key, value) in table {
        if let Some(place) = places.get_mut(key.get_ref().as_ref()) {
            keep(place, value);
        }
    }
}

fn keep(place: &mut Place, value: &Spanned<DeValue<'_>>) {
    match (value.get_ref(), &mut place.below) {
        (DeValue::Table(table), below) => keep_table(below, table),
        (DeValue::Array(kept), Below::List(list)) => {
            let stays = |place: &Place| kept.iter().any(|item| item.span() == place.span);
            let (mut stay, gone): (Vec<Place>, Vec<Place>) = std::mem::take(list).into_iter().partition(stays);
            for (place, item) in stay.iter_mut().zip(kept) {
                keep(place, item);
            }
            stay.extend(gone);
            *list = stay;
        }
        _ => {}
    }
}

fn places_of_table(table: &DeTable<'_>) -> Below {
    Below::Table(table.iter().map(|(key, value)| (key.get_ref().to_string(), place_of(key, value))).collect())
}

fn place_of(key: &Spanned<std::borrow::Cow<'_, str>>, value: &Spanned<DeValue<'_>>) -> Place {
    let mut place = place(value);
    place.key = Some(key.span());
    // A table under a header spans the header's brackets or nothing; its key is the better place to point at.
    if matches!(value.get_ref(), DeValue::Table(_)) && value.span().start <= key.span().start {
        place.span = key.span();
    }
    place
}

fn place(value: &Spanned<DeValue<'_>>) -> Place {
    let below = match value.get_ref() {
        DeValue::Table(table) => places_of_table(table),
        DeValue::Array(list) => Below::List(list.iter().map(place).collect()),
        _ => Below::Nothing,
    };
    Place { span: value.span(), key: None, below }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_found_by_its_path() {
        let source =
            Source::new("x.toml", "[apt]\npackages = [\"a\", { name = \"b\" }]\n[shell.bashrc]\nfile = \"x\"\n");
        let document = Document::new(&source, &DeTable::parse(&source.text).expect("it is TOML"));
        let text = |path: &[Part]| &source.text[document.span(path)];
        assert_eq!(text(&["apt".into(), "packages".into(), 0.into()]), "\"a\"");
        assert_eq!(text(&["apt".into(), "packages".into(), 1.into(), "name".into()]), "\"b\"");
        assert_eq!(text(&["apt".into(), "packages".into(), 0.into(), "name".into()]), "\"a\"");
        assert_eq!(text(&["shell".into(), "bashrc".into()]), "bashrc");
        assert_eq!(&source.text[document.key_span(&["shell".into(), "bashrc".into(), "file".into()])], "file");
        assert!(document.has(&["shell".into()]) && !document.has(&["shell".into(), "vimrc".into()]));
    }
}
