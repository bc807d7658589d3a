//! Rules of the edits in `[files]`.

use std::{collections::BTreeSet, path::Path};

use regex::bytes::Regex;

use super::{
    edits::{Edit, Pattern, Place, SIGNS, line_regex, named, sign_of},
    source::Source,
    written::{self, At},
};
use crate::{
    grammar::{document::Part, names},
    profile::{
        Rules, SecretText,
        shorthand::{PlainOr, Scalar, Shorthand},
        within,
    },
};

/// Whether a text is a name of a section or a key of an INI file.
pub(super) fn is_name_in_ini(name: &str, forbidden: &[char]) -> bool {
    let is_comment = name.starts_with(['#', ';', '[']);
    name.trim() == name && !name.is_empty() && !name.contains(forbidden) && !is_comment
}

impl Rules<'_> {
    /// The edits of an entry, in the order in which they are made.
    pub(super) fn edits_of_file(&mut self, at: &[Part], path: &Path, raw: &written::File) -> Vec<Edit> {
        let mut edits = self.blocks(at, path, raw);
        edits.extend(self.assignments(at, raw));
        for (index, line) in raw.lines.iter().enumerate() {
            edits.extend(self.line_of_file(&within(&within(at, "lines"), index), line));
        }
        for (index, replace) in raw.replace.iter().enumerate() {
            edits.extend(self.replacement(&within(&within(at, "replace"), index), replace));
        }
        edits
    }

    fn blocks(&mut self, at: &[Part], path: &Path, raw: &written::File) -> Vec<Edit> {
        let Some(blocks) = &raw.block else { return Vec::new() };
        let at = within(at, "block");
        let (mut edits, mut seen) = (Vec::new(), BTreeSet::new());
        for (index, block) in blocks.0.iter().enumerate() {
            let at = if blocks.1 { within(&at, index) } else { at.clone() };
            let Some(edit) = self.block_of_file(&at, path, raw, block) else { continue };
            if !seen.insert(edit.part()) {
                self.mistake(&at, "two blocks have the same name", "give each block a `name`");
            }
            edits.push(edit);
        }
        edits
    }

    fn block_of_file(&mut self, at: &[Part], path: &Path, raw: &written::File, block: &written::Block) -> Option<Edit> {
        let name = block.name.as_deref().unwrap_or("${profile.name}");
        let name = self.expanded(&within(at, "name"), name)?;
        if !names::is_file_name(&name) {
            self.mistake(
                &within(at, "name"),
                format!("`{name}` is not the name of a block"),
                "letters, digits and `_.-`",
            );
        }
        let sign = self.sign_of_comments(at, path, raw)?;
        let source = match (&block.text, &block.from) {
            (Some(text), None) => Source::inline(self.secret_text(&within(at, "text"), text)?),
            (None, Some(from)) => {
                let file = self.text_file(&within(at, "from"), from)?;
                Source {
                    file: Some(file),
                    values: raw.template.then(|| self.template_values()),
                    text: SecretText::default(),
                }
            }
            (Some(_), Some(_)) => {
                self.mistake(&within(at, "from"), "both `text` and `from` are given", "keep one of them");
                return None;
            }
            (None, None) => {
                let hint = "give the `text`, or name a file of the file store with `from`";
                self.mistake(at, "the block has no content", hint);
                return None;
            }
        };
        let place = self.place_of_block(at, block)?;
        Some(Edit::Block { block: named(&sign, &name), place, source })
    }

    fn sign_of_comments(&mut self, at: &[Part], path: &Path, raw: &written::File) -> Option<String> {
        if let Some(sign) = &raw.comment {
            if SIGNS.contains(&sign.as_str()) {
                return Some(sign.clone());
            }
            let hint = "use one of `#`, `//`, `;` and `<!--`";
            self.mistake(
                &within(&at[..2.min(at.len())], "comment"),
                format!("`{sign}` is not a sign of comments"),
                hint,
            );
            return None;
        }
        let sign = sign_of(path).map(str::to_owned);
        if sign.is_none() {
            let message = format!("`{}` has no comments, which the lines around a block need", path.display());
            self.mistake(at, message, "set `comment` if its format has comments, or use another edit");
        }
        sign
    }

    fn place_of_block(&mut self, at: &[Part], block: &written::Block) -> Option<Place> {
        let given = [("at", block.at.is_some()), ("above", block.above.is_some()), ("below", block.below.is_some())];
        let given: Vec<&str> = given.into_iter().filter_map(|(key, is)| is.then_some(key)).collect();
        if let [first, second, ..] = &given[..] {
            self.mistake(&within(at, *second), format!("both `{first}` and `{second}` are given"), "keep one of them");
            return None;
        }
        match (block.at, &block.above, &block.below) {
            (_, Some(above), _) => Some(Place::Above(self.regex_of_lines(&within(at, "above"), above)?)),
            (_, _, Some(below)) => Some(Place::Below(self.regex_of_lines(&within(at, "below"), below)?)),
            (Some(At::Start), None, None) => Some(Place::Start),
            (Some(At::End) | None, None, None) => Some(Place::End),
        }
    }

    fn regex_of_lines(&mut self, at: &[Part], text: &str) -> Option<Regex> {
        let text = self.expanded(at, text)?;
        match line_regex(&text) {
            Ok(regex) => Some(regex),
            Err(error) => {
                let reason = error.to_string();
                let reason = reason.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
                self.mistake(
                    at,
                    format!("`{text}` is not a regular expression: {reason}"),
                    "write `\\.` for a dot, for example",
                );
                None
            }
        }
    }

    fn assignments(&mut self, at: &[Part], raw: &written::File) -> Vec<Edit> {
        let separator = raw.separator.as_ref().and_then(|text| self.expanded(&within(at, "separator"), text));
        if separator.as_ref().is_some_and(|text| text.is_empty() || text.contains(['\n', '\r'])) {
            self.mistake(
                &within(at, "separator"),
                "`separator` is empty or has a line break",
                "write `=`, `: ` or a space",
            );
        }
        if raw.separator.is_some() && raw.set.is_empty() {
            self.mistake(&within(at, "separator"), "`separator` is for `set`", "leave it out");
        }
        let at = within(at, "set");
        let (mut edits, mut of_sections) = (Vec::new(), Vec::new());
        for (name, value) in &raw.set {
            let at = within(&at, name.as_str());
            match value {
                PlainOr::Plain(value) => edits.extend(self.assignment(&at, None, name, value, separator.as_ref())),
                PlainOr::Table(keys) => {
                    self.name_in_ini(&at, name, &[']', '\n', '\r']);
                    of_sections.push(Edit::Section(name.clone()));
                    for (key, value) in keys {
                        let at = within(&at, key.as_str());
                        of_sections.extend(self.assignment(&at, Some(name), key, value, separator.as_ref()));
                    }
                }
            }
        }
        edits.extend(of_sections);
        edits
    }

    fn assignment(
        &mut self,
        at: &[Part],
        section: Option<&String>,
        key: &str,
        value: &Scalar,
        separator: Option<&String>,
    ) -> Option<Edit> {
        self.name_in_ini(at, key, &['=', '\n', '\r']);
        let value = self.secret_text(at, &value.to_string())?;
        if value.shown().contains(['\n', '\r']) {
            self.mistake(at, format!("the value of `{key}` has a line break"), "write it in one line");
            return None;
        }
        let (section, separator) = (section.cloned(), separator.cloned());
        Some(Edit::Set { section, key: key.to_owned(), value, separator })
    }

    fn name_in_ini(&mut self, at: &[Part], name: &str, forbidden: &[char]) {
        if !is_name_in_ini(name, forbidden) {
            let hint = "leave out spaces at its ends, line breaks, and characters with a meaning in the file";
            self.mistake_in_key(at, format!("`{name}` is not a key of a file"), hint);
        }
    }

    fn line_of_file(&mut self, at: &[Part], raw: &Shorthand<written::Line>) -> Option<Edit> {
        let (place, line, pattern) = match raw {
            Shorthand::Short(line) => (at.to_vec(), line, None),
            Shorthand::Long(raw) => (within(at, "line"), &raw.line, raw.pattern.as_ref()),
        };
        let line = self.expanded(&place, line)?;
        if line.contains(['\n', '\r']) {
            self.mistake(
                &place,
                "a line has no line break",
                "write each line as an element of `lines`, or use `block`",
            );
            return None;
        }
        let pattern = match pattern {
            Some(pattern) => Some(self.regex_of_lines(&within(at, "match"), pattern)?),
            None => None,
        };
        Some(Edit::Line { line, pattern })
    }

    fn replacement(&mut self, at: &[Part], raw: &written::Replace) -> Option<Edit> {
        let with = self.expanded(&within(at, "with"), &raw.with)?;
        let pattern = match (&raw.find, &raw.regex) {
            (Some(find), None) => {
                let find = self.expanded(&within(at, "find"), find)?;
                if find.is_empty() {
                    self.mistake(&within(at, "find"), "`find` is empty", "write the text to replace");
                    return None;
                }
                Pattern::Literal(find)
            }
            (None, Some(regex)) => {
                let regex = self.regex_of_lines(&within(at, "regex"), regex)?;
                self.groups_of_replacement(&within(at, "with"), &regex, &with);
                Pattern::Regex(regex)
            }
            (Some(_), Some(_)) => {
                self.mistake(&within(at, "regex"), "both `find` and `regex` are given", "keep one of them");
                return None;
            }
            (None, None) => {
                let hint = "give the text as `find`, or a regular expression as `regex`";
                self.mistake(at, "the replacement does not say what it replaces", hint);
                return None;
            }
        };
        Some(Edit::Replace { pattern, with, origin: self.origin(at) })
    }

    /// Checks that each `$1` in a replacement is a group. A wrong one would be an empty text.
    fn groups_of_replacement(&mut self, at: &[Part], regex: &Regex, with: &str) {
        let mut rest = with;
        while let Some(start) = rest.find('$') {
            rest = &rest[start + 1..];
            if let Some(after) = rest.strip_prefix('$') {
                rest = after;
                continue;
            }
            let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
            let name = match rest.strip_prefix('{').and_then(|inner| inner.split_once('}')) {
                Some((name, _)) => name,
                None => &rest[..rest.find(|c| !is_name(c)).unwrap_or(rest.len())],
            };
            let is_group = match name.parse::<usize>() {
                Ok(number) => number < regex.captures_len(),
                Err(_) => regex.capture_names().flatten().any(|known| known == name),
            };
            if !is_group {
                let message = format!("`${name}` is not a group of the regular expression");
                self.mistake(at, message, "write `$${1}` if letters or digits follow, and `$$` for a literal `$`");
            }
        }
    }
}
