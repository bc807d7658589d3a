//! Diagnostics: a mistake and its location in a text. Plain data; `report` renders it.

use std::{
    borrow::Cow,
    collections::BTreeMap,
    fmt,
    ops::Range,
    sync::{Arc, OnceLock},
};

use serde::{Deserialize, Serialize};

use crate::redact::{HIDDEN, Hide, hidden_values};

/// A text that diagnostics refer to: a profile or a requirements file.
#[derive(Debug)]
pub struct Source {
    /// The name of the text: a path, or `built-in:family.toml`.
    pub label: String,
    /// The text, without a byte order mark.
    pub text: String,
    /// The offsets at which lines begin. A profile of many entries asks for the location of each of them.
    lines: Vec<usize>,
    /// The ranges of values that may be secret. Each diagnostic asks for them.
    hidden: OnceLock<Vec<Range<usize>>>,
}

impl PartialEq for Source {
    fn eq(&self, other: &Self) -> bool {
        (&self.label, &self.text) == (&other.label, &other.text)
    }
}

impl Eq for Source {}

impl Source {
    /// A text with its name.
    pub fn new(label: impl Into<String>, text: impl Into<String>) -> Arc<Self> {
        let text = text.into();
        let lines = std::iter::once(0).chain(memchr::memchr_iter(b'\n', text.as_bytes()).map(|end| end + 1)).collect();
        Arc::new(Self { label: label.into(), text, lines, hidden: OnceLock::new() })
    }

    /// The line and column of a byte range.
    pub fn origin(&self, span: &Range<usize>) -> Origin {
        let start = span.start.min(self.text.len());
        // The first line begins at 0, so at least one line begins at or before any offset.
        let line = self.lines.partition_point(|&begin| begin <= start);
        let column = self.text[self.lines[line - 1]..start].chars().count() + 1;
        Origin { file: self.label.clone(), line, column }
    }

    /// The offset of the first byte of the line that contains an offset.
    pub fn line_start(&self, at: usize) -> usize {
        self.lines[self.lines.partition_point(|&begin| begin <= at) - 1]
    }

    /// The offset of the end of the line that contains an offset, before its line end.
    pub fn line_end(&self, at: usize) -> usize {
        let next = self.lines.get(self.lines.partition_point(|&begin| begin <= at));
        next.map_or(self.text.len(), |next| next - 1)
    }

    /// The byte ranges of values that may be secret, if the text is TOML.
    pub fn hidden(&self) -> &[Range<usize>] {
        self.hidden.get_or_init(|| hidden_values(&self.text, Hide::SecretSections))
    }

    /// The byte offset of a line and column. `None` if the text has another name, or no such place.
    pub fn offset(&self, origin: &Origin) -> Option<usize> {
        if self.label != origin.file {
            return None;
        }
        let before = *self.lines.get(origin.line.checked_sub(1)?)?;
        let (column, _) = self.text.get(before..)?.char_indices().nth(origin.column.checked_sub(1)?)?;
        Some(before + column)
    }
}

/// The location in a profile that requested something.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Origin {
    /// The file, as shown to people.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
}

impl Origin {
    /// The location with its column.
    pub fn with_column(&self) -> String {
        format!("{self}:{}", self.column)
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

/// A mistake, with its location, its causes and a hint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// The mistake, in one line.
    pub message: String,
    /// The text and the byte range of the mistake. `None` if it has no single location.
    pub place: Option<(Arc<Source>, Range<usize>)>,
    /// A short text below the caret.
    pub label: Option<String>,
    /// The causes, outermost first.
    pub causes: Vec<String>,
    /// A hint for the user.
    pub hint: Option<String>,
}

impl Diagnostic {
    /// A mistake at a byte range.
    pub fn at(source: &Arc<Source>, span: Range<usize>, message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            place: Some((Arc::clone(source), span)),
            label: None,
            causes: Vec::new(),
            hint: None,
        }
    }

    /// A mistake without a location.
    pub fn nowhere(message: impl Into<String>) -> Self {
        Self { message: message.into(), place: None, label: None, causes: Vec::new(), hint: None }
    }

    /// Sets the text below the caret.
    #[must_use]
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = Some(label.into());
        self
    }

    /// Sets the causes.
    #[must_use]
    pub fn causes(mut self, causes: Vec<String>) -> Self {
        self.causes = causes;
        self
    }

    /// Sets the hint.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Sets the hint if there is one.
    #[must_use]
    pub fn maybe_hint(mut self, hint: Option<String>) -> Self {
        self.hint = self.hint.or(hint);
        self
    }

    /// The same mistake, for people: a value that may be secret is hidden where the text quotes it.
    #[must_use]
    pub fn without_hidden_values(&self) -> Self {
        // Shorter values occur in words of the message. Values of other lines get into it through variables.
        const MIN_LENGTH: usize = 4;
        const MIN_LENGTH_ELSEWHERE: usize = 8;
        let Some((source, span)) = &self.place else { return self.clone() };
        let start = span.start.min(source.text.len());
        let lines = source.line_start(start)..span.end.max(source.line_end(start));
        let values = |range: &Range<usize>| {
            let is_here = range.start <= lines.end && range.end >= lines.start;
            let length = if is_here { MIN_LENGTH } else { MIN_LENGTH_ELSEWHERE };
            let raw = &source.text[range.clone()];
            let all: Vec<String> = [Cow::Borrowed(raw), unescaped(raw)]
                .iter()
                .flat_map(|value| value.lines())
                .map(|line| line.trim().to_owned())
                .filter(|value| value.len() >= length)
                .collect();
            all
        };
        let mut hidden: Vec<String> = source.hidden().iter().flat_map(values).collect();
        // A longer value may contain a shorter one.
        hidden.sort_by_key(|value| std::cmp::Reverse(value.len()));
        let clean =
            |text: &String| hidden.iter().fold(text.clone(), |text, value| text.replace(value.as_str(), HIDDEN));
        Self {
            message: clean(&self.message),
            place: self.place.clone(),
            label: self.label.as_ref().map(clean),
            causes: self.causes.iter().map(clean).collect(),
            hint: self.hint.as_ref().map(clean),
        }
    }

    /// The location as file, line and column.
    pub fn origin(&self) -> Option<Origin> {
        self.place.as_ref().map(|(source, span)| source.origin(span))
    }
}

/// The text that a TOML string stands for.
fn unescaped(raw: &str) -> Cow<'_, str> {
    let decoded = || {
        let quotes = if raw.contains('\n') { "\"\"\"" } else { "\"" };
        toml::from_str::<BTreeMap<String, String>>(&format!("v = {quotes}{raw}{quotes}")).ok()?.remove("v")
    };
    let decoded = if raw.contains('\\') { decoded() } else { None };
    decoded.map_or(Cow::Borrowed(raw), Cow::Owned)
}

/// An error and its causes, in one line.
pub fn in_words(error: &dyn std::error::Error) -> String {
    let mut words = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        words = format!("{words}: {cause}");
        next = cause.source();
    }
    words
}

/// The known name that is most similar to a mistyped one, if it is similar enough.
pub fn nearest<'a>(typed: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // No known name is so long. The comparison needs memory for each pair of letters.
    const MOST: usize = 128;
    if typed.len() > MOST {
        return None;
    }
    known
        .into_iter()
        .map(|name| (strsim::damerau_levenshtein(&typed.to_lowercase(), &name.to_lowercase()), name))
        .filter(|(distance, name)| is_slip(typed, name, *distance))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// Whether a name may be a typing error of another. Short words must have the same first letter.
fn is_slip(typed: &str, name: &str, distance: usize) -> bool {
    const SHORT: usize = 4;
    let length = name.chars().count().max(typed.chars().count());
    let first = |text: &str| text.chars().next().map(|c| c.to_ascii_lowercase());
    let has_same_start = distance == 0 || length > SHORT || first(typed) == first(name);
    distance <= 1.max(length.div_ceil(4)) - usize::from(length == 5) && has_same_start
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_columns_count_from_one_in_characters() {
        let source = Source::new("x.toml", "a = 1\n\u{e9}b = 2\n");
        assert_eq!(source.origin(&(0..1)), Origin { file: "x.toml".into(), line: 1, column: 1 });
        assert_eq!(source.origin(&(8..9)), Origin { file: "x.toml".into(), line: 2, column: 2 });
        assert_eq!(source.offset(&source.origin(&(8..9))), Some(8));
        assert_eq!(source.offset(&Origin { file: "x.toml".into(), line: 9, column: 2 }), None);
    }

    #[test]
    fn nearest_suggests_typing_errors_only() {
        assert_eq!(nearest("packges", ["packages", "debs"]), Some("packages"));
        assert_eq!(nearest("zzz", ["packages", "debs"]), None);
        assert_eq!(nearest("jars", ["vars"]), None);
        assert_eq!(nearest("when", ["wheel"]), None);
        assert_eq!(nearest("famly", ["family"]), Some("family"));
        assert_eq!(nearest("teir", ["tier"]), Some("tier"));
        let long = "a".repeat(129);
        assert_eq!(nearest(&long, [long.as_str()]), None, "the memory for a comparison has a limit");
    }
}
