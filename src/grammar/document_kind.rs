//! The kinds of documents, as messages name them.

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
    /// Keys that people expect but that do not exist, each with a hint.
    pub(crate) missed: &'static [(&'static str, &'static str)],
}
