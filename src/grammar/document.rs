//! A document and the location of each of its values.

use std::{collections::BTreeMap, ops::Range, sync::Arc};

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use crate::diagnostic::{Diagnostic, Origin, Source};

/// A step of the path from the top of a document to a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Part {
    /// A key of a table.
    Key(String),
    /// An index of a list, from 0.
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

/// A document and the locations of its values.
#[derive(Debug)]
pub(crate) struct Document {
    pub(crate) source: Arc<Source>,
    top: SpanNode,
}

#[derive(Debug)]
struct SpanNode {
    span: Range<usize>,
    key: Option<Range<usize>>,
    children: Children,
    /// Whether it is the value of a key that was reported and removed.
    is_removed: bool,
}

#[derive(Debug)]
enum Children {
    Nothing,
    Table(BTreeMap<String, SpanNode>),
    List(Vec<SpanNode>),
}

impl Document {
    pub(crate) fn new(source: &Arc<Source>, table: &Spanned<DeTable<'_>>) -> Self {
        let top = SpanNode { span: 0..0, key: None, children: table_nodes(table.get_ref()), is_removed: false };
        Self { source: Arc::clone(source), top }
    }

    /// Reorders lists after invalid entries were removed from the table: the entries that remain come first, in their
    /// order.
    pub(crate) fn keep(&mut self, table: &Spanned<DeTable<'_>>) {
        reorder_table(&mut self.top.children, table.get_ref());
    }

    /// The byte range of the value at a path, or of the nearest value above it.
    pub(crate) fn span(&self, path: &[Part]) -> Range<usize> {
        self.nearest(path).0.span.clone()
    }

    /// The byte range of the key of the value at a path.
    pub(crate) fn key_span(&self, path: &[Part]) -> Range<usize> {
        let (node, _) = self.nearest(path);
        node.key.as_ref().unwrap_or(&node.span).clone()
    }

    /// Whether there is a value at a path.
    pub(crate) fn has(&self, path: &[Part]) -> bool {
        self.nearest(path).1
    }

    /// Whether a key of the table at a path was reported and removed.
    pub(crate) fn has_lost_keys(&self, path: &[Part]) -> bool {
        match self.nearest(path) {
            (SpanNode { children: Children::Table(table), .. }, true) => table.values().any(|node| node.is_removed),
            _ => false,
        }
    }

    /// The node of the value at a path, or of the nearest value above it. The second part tells whether it is the value
    /// itself.
    fn nearest(&self, path: &[Part]) -> (&SpanNode, bool) {
        let mut node = &self.top;
        for part in path {
            let next = match (part, &node.children) {
                (Part::Key(key), Children::Table(table)) => table.get(key),
                (Part::Index(index), Children::List(list)) => list.get(*index),
                _ => None,
            };
            let Some(next) = next else { return (node, false) };
            node = next;
        }
        (node, true)
    }

    /// The file, line and column of the value at a path.
    pub(crate) fn origin(&self, path: &[Part]) -> Origin {
        self.source.origin(&self.span(path))
    }

    /// The byte range of the value that begins at a line and column. `None` if it is in another file.
    pub(crate) fn span_at(&self, origin: &Origin) -> Option<Range<usize>> {
        let offset = self.source.offset(origin)?;
        let mut open = vec![&self.top];
        while let Some(node) = open.pop() {
            if node.span.start == offset && !node.span.is_empty() {
                return Some(node.span.clone());
            }
            match &node.children {
                Children::Nothing => {}
                Children::Table(table) => open.extend(table.values()),
                Children::List(list) => open.extend(list),
            }
        }
        None
    }

    /// A diagnostic for the value at a path.
    pub(crate) fn mistake(&self, path: &[Part], message: impl Into<String>) -> Diagnostic {
        Diagnostic::at(&self.source, self.span(path), message)
    }
}

fn reorder_table(children: &mut Children, table: &DeTable<'_>) {
    let Children::Table(nodes) = children else { return };
    for node in nodes.values_mut() {
        node.is_removed = true;
    }
    for (key, value) in table {
        if let Some(node) = nodes.get_mut(key.get_ref().as_ref()) {
            node.is_removed = false;
            reorder(node, value);
        }
    }
}

fn reorder(node: &mut SpanNode, value: &Spanned<DeValue<'_>>) {
    match (value.get_ref(), &mut node.children) {
        (DeValue::Table(table), children) => reorder_table(children, table),
        (DeValue::Array(kept), Children::List(list)) => {
            let stays = |node: &SpanNode| kept.iter().any(|item| item.span() == node.span);
            let (mut stay, gone): (Vec<SpanNode>, Vec<SpanNode>) = std::mem::take(list).into_iter().partition(stays);
            for (node, item) in stay.iter_mut().zip(kept) {
                reorder(node, item);
            }
            stay.extend(gone);
            *list = stay;
        }
        _ => {}
    }
}

fn table_nodes(table: &DeTable<'_>) -> Children {
    Children::Table(table.iter().map(|(key, value)| (key.get_ref().to_string(), keyed_node(key, value))).collect())
}

fn keyed_node(key: &Spanned<std::borrow::Cow<'_, str>>, value: &Spanned<DeValue<'_>>) -> SpanNode {
    let mut node = node(value);
    node.key = Some(key.span());
    // The span of a table under a header is the header's brackets or empty, so the key is the better location.
    if matches!(value.get_ref(), DeValue::Table(_)) && value.span().start <= key.span().start {
        node.span = key.span();
    }
    node
}

fn node(value: &Spanned<DeValue<'_>>) -> SpanNode {
    let children = match value.get_ref() {
        DeValue::Table(table) => table_nodes(table),
        DeValue::Array(list) => Children::List(list.iter().map(node).collect()),
        _ => Children::Nothing,
    };
    SpanNode { span: value.span(), key: None, children, is_removed: false }
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
        let path: &[Part] = &["apt".into(), "packages".into(), 1.into(), "name".into()];
        assert_eq!(document.span_at(&document.origin(path)), Some(document.span(path)));
        assert!(document.has(&["shell".into()]) && !document.has(&["shell".into(), "vimrc".into()]));
    }
}
