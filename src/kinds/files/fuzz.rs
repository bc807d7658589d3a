//! The entry function of a fuzz target.

use super::{
    edit_rules::is_name_in_ini,
    edits::{Edit, Pattern, line_regex, named},
};
use crate::{diagnostic::Origin, inventory::Vault, profile::SecretText};

/// The edits of a file. The parts of an input end with a byte 0: a key, a value, and the text of the file.
pub(crate) fn edits(data: &[u8]) {
    let mut parts = data.splitn(3, |&byte| byte == 0);
    let mut next = || String::from_utf8_lossy(parts.next().unwrap_or_default()).into_owned();
    let (key, value) = (next(), next());
    let text = parts.next().unwrap_or_default();
    // The rules of profiles refuse such values.
    if key.is_empty() || [&key, &value].iter().any(|part| part.contains(['\n', '\r'])) {
        return;
    }
    let origin = || Origin { file: "x.toml".to_owned(), line: 1, column: 1 };
    let secret_text = || SecretText::parse(&value, |_| None);
    let block = named("#", "family");
    let mut edits = vec![
        Edit::Line { line: value.clone(), pattern: None },
        Edit::Replace { pattern: Pattern::Literal(key.clone()), with: value.clone(), origin: origin() },
    ];
    if let Ok(pattern) = line_regex(&key) {
        edits.push(Edit::Line { line: value.clone(), pattern: Some(pattern.clone()) });
        edits.push(Edit::Replace { pattern: Pattern::Regex(pattern), with: value.clone(), origin: origin() });
    }
    if is_name_in_ini(&key, &[']']) {
        edits.push(Edit::Section(key.clone()));
    }
    if is_name_in_ini(&key, &['='])
        && let Some(value) = secret_text()
    {
        for section in [None, Some("section".to_owned())] {
            edits.push(Edit::Set { section, key: key.clone(), value: value.clone(), separator: None });
        }
    }
    let vault = Vault::default();
    for edit in edits {
        let _ = (edit.part(), edit.shown());
        let Ok(once) = edit.apply(text, &vault) else { continue };
        let twice = edit.apply(&once, &vault).unwrap_or_else(|problem| panic!("{edit:?}: {}", problem.message));
        assert_eq!(twice.escape_ascii().to_string(), once.escape_ascii().to_string(), "{edit:?}: a second run");
    }
    let _ = block.take_out(text);
}
