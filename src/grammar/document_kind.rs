//! The kinds of documents, as messages name them.

/// The last keys of a path in a document. `*` is any key. Indexes of lists are left out.
pub(crate) type KeyPath = &'static [&'static str];

/// A kind of document, for messages.
#[derive(Debug)]
pub(crate) struct DocumentKind {
    /// Definite: `the profile`.
    pub(crate) the: &'static str,
    /// Indefinite: `a profile`.
    pub(crate) a: &'static str,
    /// Required keys, each with a TOML value that replaces it when it is missing. The missing key is reported, and the
    /// rest of the document is still checked.
    pub(crate) stand_ins: &'static [(&'static str, &'static str)],
    /// Keys that people expect but that do not exist, each with a hint. The first that fits counts.
    pub(crate) missed: &'static [(KeyPath, &'static str)],
    /// Values of another type than the grammar has, each with the found type and a hint.
    pub(crate) mistyped: &'static [(KeyPath, &'static str, &'static str)],
}
