//! The edit `replace`: text that takes the place of other text, everywhere in the file.

use memchr::memmem;
use regex::bytes::{Regex, RegexBuilder};

/// The text to replace.
#[derive(Debug, Clone)]
pub enum Pattern {
    /// Literal text.
    Literal(String),
    /// A regular expression for lines.
    Regex(Regex),
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Literal(one), Self::Literal(other)) => one == other,
            (Self::Regex(one), Self::Regex(other)) => one.as_str() == other.as_str(),
            (Self::Literal(_), Self::Regex(_)) | (Self::Regex(_), Self::Literal(_)) => false,
        }
    }
}

impl Eq for Pattern {}

/// Why a replacement was not made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum ReplaceError {
    /// Neither the text nor its replacement is in the file.
    #[error("the file has neither the text to replace nor its replacement")]
    NoMatch,
    /// The regular expression does not match its own result.
    #[error("the regular expression does not match the text that it puts in place")]
    NotRecognised,
    /// Another application would change the file again.
    #[error("applied to its own result, the replacement changes the file again")]
    Unstable,
}

/// A regular expression whose `^` and `$` match at each line, also if lines end in CR LF.
pub(in crate::kinds::files) fn line_regex(pattern: &str) -> Result<Regex, regex::Error> {
    RegexBuilder::new(pattern).multi_line(true).crlf(true).build()
}

impl Pattern {
    fn is_match(&self, text: &[u8]) -> bool {
        match self {
            Self::Literal(find) => memmem::find(text, find.as_bytes()).is_some(),
            Self::Regex(regex) => regex.is_match(text),
        }
    }

    fn replaced(&self, text: &[u8], with: &str) -> Vec<u8> {
        match self {
            Self::Regex(regex) => regex.replace_all(text, with.as_bytes()).into_owned(),
            Self::Literal(find) => {
                let (mut result, mut rest) = (Vec::with_capacity(text.len()), text);
                while let Some(at) = memmem::find(rest, find.as_bytes()) {
                    result.extend_from_slice(&rest[..at]);
                    result.extend_from_slice(with.as_bytes());
                    rest = &rest[at + find.len()..];
                }
                result.extend_from_slice(rest);
                result
            }
        }
    }
}

/// Replaces all occurrences. An empty `with` removes them and needs no match.
pub(super) fn apply(text: &[u8], pattern: &Pattern, with: &str) -> Result<Vec<u8>, ReplaceError> {
    let result = pattern.replaced(text, with);
    if !with.is_empty() {
        match pattern {
            Pattern::Literal(_) => {
                if !pattern.is_match(text) && memmem::find(text, with.as_bytes()).is_none() {
                    return Err(ReplaceError::NoMatch);
                }
            }
            Pattern::Regex(_) if !pattern.is_match(text) => return Err(ReplaceError::NoMatch),
            Pattern::Regex(_) if !pattern.is_match(&result) => return Err(ReplaceError::NotRecognised),
            Pattern::Regex(_) => {}
        }
    }
    if pattern.replaced(&result, with) != result {
        return Err(ReplaceError::Unstable);
    }
    Ok(result)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn literal(text: &str, find: &str, with: &str) -> Result<String, ReplaceError> {
        apply(text.as_bytes(), &Pattern::Literal(find.to_owned()), with)
            .map(|text| String::from_utf8(text).expect("text"))
    }

    fn regex(text: &str, pattern: &str, with: &str) -> Result<String, ReplaceError> {
        let pattern = Pattern::Regex(line_regex(pattern).expect("a pattern"));
        let once = apply(text.as_bytes(), &pattern, with)?;
        assert_eq!(apply(&once, &pattern, with).as_ref(), Ok(&once), "a second time changes nothing");
        Ok(String::from_utf8(once).expect("text"))
    }

    #[test]
    fn all_occurrences_of_a_literal_are_replaced() {
        assert_eq!(literal("a.b a.b axb", "a.b", "c"), Ok("c c axb".to_owned()));
        assert_eq!(literal("c c", "a.b", "c"), Ok("c c".to_owned()), "the replacement is there already");
        assert_eq!(literal("x", "a.b", "c"), Err(ReplaceError::NoMatch));
        assert_eq!(literal("x", "a.b", ""), Ok("x".to_owned()), "a removal needs no match");
        assert_eq!(literal("a.b\nx\n", "a.b\n", ""), Ok("x\n".to_owned()));
        assert_eq!(literal("a", "a", "aa"), Err(ReplaceError::Unstable));
        assert_eq!(literal("aabb", "ab", ""), Err(ReplaceError::Unstable));
    }

    #[test]
    fn a_regex_applies_to_lines_and_must_match_its_result() {
        assert_eq!(
            regex("log4j.rootCategory=INFO, x\nlog=1\n", r"^(log4j\.rootCategory=.*?)(, firm)?$", "$1, firm"),
            Ok("log4j.rootCategory=INFO, x, firm\nlog=1\n".to_owned())
        );
        assert_eq!(regex("#LOGS=\r\n#x\n", r"^#?(LOGS=)", "$1"), Ok("LOGS=\r\n#x\n".to_owned()));
        assert_eq!(regex("#LOGS=\n", r"^#(LOGS=)", "$1"), Err(ReplaceError::NotRecognised));
        assert_eq!(regex("x\n", r"^#?(LOGS=)", "$1"), Err(ReplaceError::NoMatch));
        assert_eq!(regex("a=1\n", r"^(a=.*)$", "$1 b"), Err(ReplaceError::Unstable));
        assert_eq!(regex("a=1\nb\n", r"^a=.*\n", ""), Ok("b\n".to_owned()));
    }

    #[test]
    fn bytes_that_are_not_text_stay() {
        let pattern = Pattern::Literal("a".to_owned());
        assert_eq!(apply(b"\xe9a\xe9", &pattern, "b").as_deref(), Ok(&b"\xe9b\xe9"[..]));
    }
}
