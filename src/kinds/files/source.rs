//! The source of a text: the profile, or a file of the file store.

use std::sync::Arc;

use crate::{
    diagnostic::{Diagnostic, Origin},
    inventory::Vault,
    problem::Problem,
    profile::{AssetRef, Assets, SecretText, TemplateValues},
    secrets::file_formats::{Rendered, TemplatePart},
};

/// A text and its source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The file of the file store. `None` if the profile contains the text.
    pub file: Option<AssetRef>,
    /// The values for the file, if it is a template.
    pub values: Option<Arc<TemplateValues>>,
    /// The text. Empty for a file until the whole profile is read.
    pub text: SecretText,
}

impl Source {
    /// A text of the profile.
    pub(super) fn inline(text: SecretText) -> Self {
        Self { file: None, values: None, text }
    }

    /// Reads the file. Another check reports a missing file, and a file of an optional entry that is not text.
    pub(super) fn fill(&mut self, origin: &Origin, optional: bool, assets: &Assets<'_>, found: &mut Vec<Diagnostic>) {
        let Some(file) = &self.file else { return };
        let Ok(asset) = assets.find(file, origin) else { return };
        let Ok(bytes) = assets.read(file, &asset, origin) else { return };
        let Ok(text) = std::str::from_utf8(&bytes) else {
            if optional {
                return;
            }
            let message = format!("`{}` is not UTF-8 text (asked for at {origin})", asset.label());
            found.push(Diagnostic::nowhere(message).hint("save the file as UTF-8, or copy it with `from` alone"));
            return;
        };
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let Some(values) = &self.values else {
            self.text = SecretText::plain(text.to_owned());
            return;
        };
        let expand = |part: &str| match values.fill(part) {
            Ok(text) => Some(text),
            Err((message, hint)) => {
                let message = format!("in the template `{}` (asked for at {origin}): {message}", asset.label());
                found.push(Diagnostic::nowhere(message).hint(hint));
                None
            }
        };
        if let Some(text) = SecretText::parse(text, expand) {
            self.text = text;
        }
    }
}

impl Source {
    /// The content of a file with this text. A text of the profile ends with a line feed.
    ///
    /// # Errors
    /// If a secret could not be fetched.
    pub(super) fn content(&self, vault: &Vault) -> Result<Rendered, Problem> {
        let mut bytes = rendered(&self.text, vault)?;
        if self.file.is_none() && !bytes.reveal().is_empty() && !bytes.reveal().ends_with(b"\n") {
            bytes.push(b"\n");
        }
        Ok(bytes)
    }
}

/// The text with its secrets.
///
/// # Errors
/// If a secret could not be fetched.
pub(super) fn rendered(text: &SecretText, vault: &Vault) -> Result<Rendered, Problem> {
    let mut bytes = Rendered::default();
    for part in text.parts() {
        match part {
            TemplatePart::Text(text) => bytes.push(text.as_bytes()),
            TemplatePart::Secret(secret) => match secret.from.as_ref().and_then(|from| vault.get(from)) {
                Some(Ok(value)) => bytes.push(value.reveal()),
                Some(Err(error)) => {
                    let message = format!("the secret `{}` is not available: {error}", secret.key);
                    return Err(Problem::new(message).hint(error.hint()));
                }
                None => return Err(Problem::new(format!("the secret `{}` was not fetched", secret.key))),
            },
        }
    }
    Ok(bytes)
}
