//! Rules of `[shell]`.

use std::collections::BTreeMap;

use super::{
    checked::{Shell, Text},
    written,
};
use crate::{
    grammar::{document::Part, names},
    profile::{Content, Entry, Rules, place, shorthand::Shorthand},
};

impl Rules<'_> {
    pub(super) fn shell(&mut self, raw: &written::Shell) -> Shell {
        for (index, user) in raw.users.iter().flatten().enumerate() {
            if !names::is_user(user) {
                self.mistake(
                    &place!["shell", "users", index],
                    format!("`{user}` is not a user name"),
                    "name users of the node, such as `root`",
                );
            }
        }
        Shell {
            users: self.plain(&place!["shell", "users"], raw.users.clone()),
            bashrc: raw.bashrc.as_ref().and_then(|text| self.text(&place!["shell", "bashrc"], "shell.bashrc", text)),
            vimrc: raw.vimrc.as_ref().and_then(|text| self.text(&place!["shell", "vimrc"], "shell.vimrc", text)),
            profile_d: raw
                .profile_d
                .iter()
                .filter_map(|(name, text)| {
                    let path = place!["shell", "profile-d", name.as_str()];
                    if !names::is_file_name(name) {
                        self.mistake_in_key(
                            &path,
                            format!("`{name}` is not a file name"),
                            "letters, digits and `_.-`; `.sh` is added",
                        );
                        return None;
                    }
                    Some((name.clone(), self.text(&path, &format!("shell.profile-d.{name}"), text)?))
                })
                .collect(),
        }
    }

    /// The variables of `[shell.variables]`, by name.
    pub(in crate::kinds) fn shell_variables(&mut self, written: &written::Written) -> BTreeMap<String, Entry<String>> {
        let mut variables = BTreeMap::new();
        for (name, value) in &written.shell.variables {
            let path = place!["shell", "variables", name.as_str()];
            if !names::is_variable(name) {
                self.mistake_in_key(
                    &path,
                    format!("`{name}` is not a variable name"),
                    "use letters, digits and `_`, and begin with a letter or `_`",
                );
                continue;
            }
            let text = value.to_string();
            if !self.check_references(&path, name, &text) {
                continue;
            }
            let Some(value) = self.expanded(&path, &text) else { continue };
            if value.contains(['\n', '\r']) {
                let hint = "write one line, or use `[env.variables]` with a destination that accepts it";
                self.mistake(&path, format!("the value of `{name}` contains a line break"), hint);
                continue;
            }
            variables.insert(name.clone(), Entry::plain(value, self.origin(&path)));
        }
        variables
    }

    fn text(&mut self, path: &[Part], name: &str, entry: &Shorthand<written::Text>) -> Option<Entry<Text>> {
        let below = |key: &str| path.iter().cloned().chain([key.into()]).collect::<Vec<Part>>();
        let short;
        let raw = match entry {
            Shorthand::Long(raw) => raw,
            Shorthand::Short(file) => {
                short = written::Text { file: Some(file.clone()), ..written::Text::default() };
                &short
            }
        };
        let content = match (&raw.file, &raw.text) {
            (Some(file), None) => {
                let file = self.expanded(&below("file"), file)?;
                Content::File(self.asset(&below("file"), file)?)
            }
            (None, Some(text)) => Content::Inline(self.expanded(&below("text"), text)?),
            (Some(_), Some(_)) => {
                self.mistake(&below("text"), "both `file` and `text` are given", "keep one of them");
                return None;
            }
            (None, None) => {
                self.mistake(
                    path,
                    "neither `file` nor `text` is given",
                    "name a file of the file store, or give the text itself",
                );
                return None;
            }
        };
        if !self.counts(path, raw.when.as_ref()) {
            return None;
        }
        let value = Text { content, whole: raw.style.map(|style| style == written::Style::Whole) };
        let order = self.order(path, vec![name.to_owned()], (&raw.after, &raw.before));
        Some(Entry { value, origin: self.origin(path), optional: raw.optional, timeout: None, order })
    }
}
