//! Texts of entries that may contain secrets, as `${secret.KEY}`.

use super::{rules::Rules, secret_ref::SecretRef};
use crate::{
    grammar::{document::Part, names},
    secrets::file_formats::TemplatePart,
};

const OPEN: &str = "${secret.";

impl Rules<'_> {
    /// A text with its `${…}` replaced, except for `${secret.KEY}`.
    pub(crate) fn secret_text(&mut self, path: &[Part], text: &str) -> Option<SecretText> {
        SecretText::parse(text, |part| self.expanded(path, part))
    }
}

/// A text with its values filled in, except for secrets.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SecretText(Vec<TemplatePart<SecretRef>>);

impl SecretText {
    /// Parses a text. `expand` fills in the values of a part without secrets. `None` if it reported a mistake.
    pub fn parse(text: &str, mut expand: impl FnMut(&str) -> Option<String>) -> Option<Self> {
        let (mut parts, mut start, mut from) = (Vec::new(), 0, 0);
        while let Some(found) = text[from..].find(OPEN) {
            let at = from + found;
            let key = at + OPEN.len();
            from = key;
            // `$${` is a literal `${`.
            let is_literal = text[..at].ends_with('$');
            let end = text[key..].find('}').map(|length| key + length).filter(|end| names::is_secret(&text[key..*end]));
            let Some(end) = end.filter(|_| !is_literal) else { continue };
            parts.push(TemplatePart::Text(expand(&text[start..at])?));
            parts.push(TemplatePart::Secret(SecretRef::new(text[key..end].to_owned())));
            (start, from) = (end + 1, end + 1);
        }
        parts.push(TemplatePart::Text(expand(&text[start..])?));
        parts.retain(|part| !matches!(part, TemplatePart::Text(text) if text.is_empty()));
        Some(Self(parts))
    }

    /// A text without secrets.
    pub fn plain(text: String) -> Self {
        Self(vec![TemplatePart::Text(text)])
    }

    /// The parts, in order.
    pub fn parts(&self) -> &[TemplatePart<SecretRef>] {
        &self.0
    }

    /// Whether it contains a secret.
    pub fn has_secrets(&self) -> bool {
        self.0.iter().any(|part| part.secret().is_some())
    }

    /// The secrets.
    pub fn secrets_mut(&mut self) -> impl Iterator<Item = &mut SecretRef> {
        self.0.iter_mut().filter_map(|part| match part {
            TemplatePart::Secret(secret) => Some(secret),
            TemplatePart::Text(_) => None,
        })
    }

    /// The text with the placeholders of its secrets.
    pub fn shown(&self) -> String {
        let shown = |part: &TemplatePart<SecretRef>| match part {
            TemplatePart::Text(text) => text.clone(),
            TemplatePart::Secret(secret) => format!("{OPEN}{}}}", secret.key),
        };
        self.0.iter().map(shown).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_parts_and_other_values_are_filled_in() {
        let expand = |text: &str| Some(text.replace("${x}", "X").replace("$${", "${"));
        let text = SecretText::parse("a ${x} ${secret.key}${secret.b} $${secret.c}\n", expand).expect("sound");
        let text_of = |text: &str| TemplatePart::Text(text.to_owned());
        let secret = |key: &str| TemplatePart::Secret(SecretRef::new(key.to_owned()));
        assert_eq!(text.parts(), [text_of("a X "), secret("key"), secret("b"), text_of(" ${secret.c}\n")]);
        assert!(text.has_secrets() && !SecretText::plain("x".to_owned()).has_secrets());
        assert_eq!(SecretText::parse("${x", |_| None), None);
    }
}
