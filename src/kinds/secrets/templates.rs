//! Templates of files that contain secrets. Parses them and adds their secrets to those of the profile, so that one
//! list contains everything to decide and fetch.

use std::{collections::BTreeSet, ops::Range};

use super::checked::{SecretItem, Secrets};
use crate::{
    diagnostic::{Diagnostic, Source},
    grammar::names,
    profile::{Assets, Content, Entry},
    secrets::{
        Address,
        file_formats::{self, InvalidPlaceholder, SecretFormat, TemplatePart},
    },
};

/// Parses a template. The error contains the position, the mistake and the hint.
pub(super) fn parse(text: &str) -> Result<Vec<TemplatePart>, (Range<usize>, String, String)> {
    let pieces =
        file_formats::pieces(text, names::is_secret).map_err(|InvalidPlaceholder { place, found, is_open }| {
            let message = if is_open {
                format!("`{found}` has no closing brace")
            } else {
                format!("`{found}` names no secret, and a template knows nothing else")
            };
            let hint = match found.strip_prefix("${").filter(|_| !is_open) {
                Some(rest) => {
                    format!("write `${{secret.KEY}}` for a key of the scope, or `$${{{rest}` for a literal `{found}`")
                }
                None => "write `${secret.KEY}`, or `$${` for a literal `${`".to_owned(),
            };
            (place, message, hint)
        })?;
    if pieces.iter().any(|piece| matches!(piece, TemplatePart::Secret(_))) {
        return Ok(pieces);
    }
    let hint = "write `${secret.KEY}` where the value goes; a file without secrets belongs elsewhere";
    Err((0..0, "the template names no secret".to_owned(), hint.to_owned()))
}

/// Reads the template files and lists the secrets in them. Another check reports missing files.
pub(super) fn fill(secrets: &mut Secrets, assets: &Assets<'_>, found: &mut Vec<Diagnostic>) {
    for entry in &mut secrets.templates {
        let Content::File(file) = &entry.value.content else { continue };
        let Ok(asset) = assets.find(file, &entry.origin) else { continue };
        let bytes = match assets.read(file, &asset, &entry.origin) {
            Ok(bytes) => bytes,
            // These bytes are used as they are: the text is read only here.
            Err(error) if error.untrusted => {
                let message = format!("{} (asked for at {})", error.message, error.origin);
                found.push(Diagnostic::nowhere(message).hint(error.hint));
                continue;
            }
            Err(_) => continue,
        };
        let Ok(text) = std::str::from_utf8(&bytes) else {
            // An optional file that is not text fails its step only.
            if entry.optional {
                continue;
            }
            let message = format!("the template `{}` is not UTF-8 text", asset.label());
            found.push(Diagnostic::nowhere(message).hint("save the file as UTF-8"));
            continue;
        };
        let text = text.strip_prefix('\u{feff}').unwrap_or(text).replace("\r\n", "\n");
        match parse(&text) {
            Ok(pieces) => entry.value.pieces = pieces,
            Err((place, message, hint)) => {
                found.push(Diagnostic::at(&Source::new(asset.label(), text), place, message).hint(hint));
            }
        }
    }
    for entry in &secrets.templates {
        let template = &entry.value;
        let keys: BTreeSet<&String> = template.pieces.iter().filter_map(TemplatePart::secret).collect();
        for key in keys {
            let from = template.known.get(key).cloned();
            let from = from.unwrap_or_else(|| template.place.address(key, None, None));
            if let Address::Variable(variable) = &from {
                secrets.withheld.insert(variable.clone());
            }
            let (scope, key, to) = (template.place.scope.clone(), key.clone(), template.to.clone());
            let value = SecretItem { scope, key, from, form: SecretFormat::Template, to };
            let (origin, optional, timeout) = (entry.origin.clone(), entry.optional, entry.timeout);
            secrets.items.push(Entry { value, origin, optional, timeout, order: entry.order.clone() });
        }
    }
}
