//! Templates: text with placeholders `${secret.KEY}`. There is no logic, and other placeholders are errors.

use std::ops::Range;

/// A part of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TemplatePart<S = String> {
    /// Literal text.
    Text(String),
    /// A secret, by its key or another reference.
    Secret(S),
}

impl<S> TemplatePart<S> {
    /// The secret. `None` for text.
    pub fn secret(&self) -> Option<&S> {
        match self {
            Self::Secret(secret) => Some(secret),
            Self::Text(_) => None,
        }
    }
}

/// A placeholder that names no secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidPlaceholder {
    /// Its position in the template.
    pub place: Range<usize>,
    /// Its text.
    pub found: String,
    /// Whether the closing brace is missing.
    pub is_open: bool,
}

/// Parses a template. `is_key` checks the syntax of a key. `$${` is a literal `${`.
pub fn pieces(text: &str, is_key: impl Fn(&str) -> bool) -> Result<Vec<TemplatePart>, InvalidPlaceholder> {
    let mut pieces = Vec::new();
    let mut literal = String::new();
    let mut at = 0;
    while let Some(found) = text[at..].find("${") {
        let start = at + found;
        if text[at..start].ends_with('$') {
            literal.push_str(&text[at..start]);
            literal.push('{');
            at = start + 2;
            continue;
        }
        literal.push_str(&text[at..start]);
        let line = text[start..].lines().next().unwrap_or_default();
        let Some(length) = line.find('}') else {
            return Err(InvalidPlaceholder { place: start..start + line.len(), found: line.to_owned(), is_open: true });
        };
        let end = start + length + 1;
        let key = text[start + 2..end - 1].strip_prefix("secret.").filter(|key| is_key(key));
        let Some(key) = key else {
            return Err(InvalidPlaceholder { place: start..end, found: text[start..end].to_owned(), is_open: false });
        };
        if !literal.is_empty() {
            pieces.push(TemplatePart::Text(std::mem::take(&mut literal)));
        }
        pieces.push(TemplatePart::Secret(key.to_owned()));
        at = end;
    }
    literal.push_str(&text[at..]);
    if !literal.is_empty() {
        pieces.push(TemplatePart::Text(literal));
    }
    Ok(pieces)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_key(text: &str) -> bool {
        !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    }

    #[test]
    fn placeholders_are_parsed_and_other_text_is_unchanged() {
        let found = pieces("user=ann $HOME $5\npw=${secret.db-pw}$${HOME}\n", is_key).expect("sound");
        let text = |text: &str| TemplatePart::Text(text.to_owned());
        assert_eq!(found, [text("user=ann $HOME $5\npw="), TemplatePart::Secret("db-pw".into()), text("${HOME}\n")]);
        assert_eq!(pieces("", is_key), Ok(Vec::new()));
    }

    #[test]
    fn an_invalid_placeholder_is_an_error_with_its_position() {
        for (text, found, is_open) in [
            ("é ${vars.x}", "${vars.x}", false),
            ("${secret.}", "${secret.}", false),
            ("${secret.a b}", "${secret.a b}", false),
            ("${HOME", "${HOME", true),
            ("${secret.a\n}", "${secret.a", true),
        ] {
            let bad = pieces(text, is_key).expect_err("no secret");
            assert_eq!((bad.found.as_str(), bad.is_open), (found, is_open), "{text}");
            assert_eq!(&text[bad.place], found);
        }
    }
}
