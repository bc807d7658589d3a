//! Rules of `[files]`: keys, forms and the properties of paths. The rules of edits are in `edit_rules`.

use std::{
    collections::BTreeMap,
    path::{Component, Path, PathBuf},
};

use super::{
    braces,
    checked::{File, Files, Form},
    mode::Mode,
    source::Source,
    written,
};
use crate::{
    grammar::{document::Part, names},
    profile::{AssetRef, Cases, Entry, Rules, place, shorthand::Shorthand, within, written::Asset},
};

/// The keys of a whole entry.
const WHOLE: [&str; 5] = ["text", "from", "link", "dir", "absent"];
/// The keys of edits.
const EDITS: [&str; 4] = ["block", "set", "lines", "replace"];

/// The names of a path in `after` and `before`: as written, and without doubled slashes.
pub(super) fn names(path: &str) -> [String; 2] {
    let plain: PathBuf = Path::new(path).components().collect();
    [format!("files.{path}"), format!("files.{}", plain.display())]
}

/// A path of an entry.
pub(super) struct Key {
    pub(super) path: PathBuf,
    /// Whether it ends with `/`.
    pub(super) is_folder: bool,
}

impl Rules<'_> {
    pub(super) fn files_of_section(&mut self, written: &written::Written) -> Files {
        let mut files = BTreeMap::new();
        let mut keys: BTreeMap<PathBuf, &str> = BTreeMap::new();
        for (name, cases) in &written.files {
            let at = place!["files", name.as_str()];
            let paths = self.keys_of_file(&at, name);
            let mut listed: Vec<Entry<File>> = Vec::new();
            let before = self.found.len();
            for key in &paths {
                listed.extend(self.file_entry(&at, name, key, cases));
                if self.found.len() > before {
                    // The mistakes of one path are those of all.
                    break;
                }
            }
            if paths.is_empty() {
                // The other mistakes of the entry are reported, too.
                let key = Key { path: PathBuf::from("/unknown"), is_folder: name.ends_with('/') };
                self.file_entry(&at, name, &key, cases);
            }
            for (key, entry) in paths.into_iter().zip(listed) {
                if let Some(first) = keys.insert(key.path.clone(), name) {
                    let other = self.origin_of_key(&place!["files", first]).with_column();
                    let message =
                        format!("`{}` is written by two entries; the other is at {other}", key.path.display());
                    self.mistake_in_key(&at, message, "remove one of the entries");
                    continue;
                }
                files.insert(key.path, entry);
            }
        }
        Files(files)
    }

    fn file_entry(
        &mut self,
        at: &[Part],
        name: &str,
        key: &Key,
        cases: &Cases<Shorthand<written::File>>,
    ) -> Option<Entry<File>> {
        self.cases(at, cases, |rules, at, raw| rules.case_of_file(at, name, key, raw))
    }

    fn case_of_file(
        &mut self,
        at: &[Part],
        name: &str,
        key: &Key,
        raw: &Shorthand<written::File>,
    ) -> Option<Entry<File>> {
        let before = self.found.len();
        let short;
        let raw = match raw {
            Shorthand::Long(raw) => raw,
            Shorthand::Short(path) => {
                let from = Shorthand::Short(path.clone()).into();
                short = written::File { from: Some(from), ..written::File::default() };
                &short
            }
        };
        let value = self.checked_file(at, key, raw);
        let timeout = self.timeout(at, raw.timeout.as_deref());
        let mut names = self.spellings(names(name));
        let resolved = format!("files.{}", key.path.display());
        if !names.contains(&resolved) {
            names.push(resolved);
        }
        let order = self.order(at, names, (&raw.after, &raw.before));
        let entry = Entry { value: value?, origin: self.origin(at), optional: raw.optional, timeout, order };
        (self.found.len() == before).then_some(entry)
    }

    fn checked_file(&mut self, at: &[Part], key: &Key, raw: &written::File) -> Option<File> {
        let form = self.form_of_file(at, key, raw);
        let mode = raw.mode.as_ref().and_then(|text| self.mode_of_path(&within(at, "mode"), text));
        let owner = raw.owner.as_ref().and_then(|owner| self.owner_of_path(&within(at, "owner"), owner));
        let file = File { form: form?, mode, owner, recursive: raw.recursive, keep: raw.keep, replaces_whole: None };
        self.properties(at, key, raw, &file);
        Some(file)
    }

    fn properties(&mut self, at: &[Part], key: &Key, raw: &written::File, file: &File) {
        let is_folder = matches!(file.form, Form::Folder | Form::Absent | Form::Attributes);
        if raw.recursive && !is_folder {
            let hint = "use it with `absent`, `dir`, or with `mode` and `owner` alone";
            self.mistake(&within(at, "recursive"), "`recursive` has no effect here", hint);
        }
        if raw.unpack.is_some() && raw.from.is_none() {
            self.mistake(&within(at, "unpack"), "`unpack` needs `from`, the archive", "add `from`");
        }
        if raw.template && raw.from.is_none() && raw.block.is_none() {
            self.mistake(&within(at, "template"), "`template` needs `from`", "`text` is always a template");
        }
        if matches!(file.form, Form::Absent) && (raw.mode.is_some() || raw.owner.is_some() || raw.keep) {
            let hint = "leave `mode`, `owner` and `keep` out";
            self.mistake(at, "a path that must not exist has no properties", hint);
        }
        if file.keep && matches!(file.form, Form::Edits(_) | Form::Attributes) {
            let hint = "leave `keep` out, or give the whole content";
            self.mistake(&within(at, "keep"), "`keep` is for whole entries", hint);
        }
        let is_dangerous = key.path.components().count() <= 2 && key.path.is_absolute();
        if raw.recursive && matches!(file.form, Form::Absent) && is_dangerous {
            let message = format!("`{}` would be removed with everything in it", key.path.display());
            self.mistake_in_key(at, message, "name a path further down");
        }
        if let Some(mode) = &file.mode
            && file.has_secrets()
            && mode.of(0o600, false) & 0o007 != 0
        {
            let message = format!("`{mode}` gives all users access to a file with a secret");
            self.mistake(&within(at, "mode"), message, "use a mode such as `0600` or `0640`");
        }
    }

    fn form_of_file(&mut self, at: &[Part], key: &Key, raw: &written::File) -> Option<Form> {
        let is_there =
            [raw.text.is_some(), raw.from.is_some(), raw.link.is_some(), raw.dir.is_some(), raw.absent.is_some()];
        let wholes: Vec<&str> = WHOLE.into_iter().zip(is_there).filter_map(|(key, is)| is.then_some(key)).collect();
        let has_edit = [raw.block.is_some(), !raw.set.is_empty(), !raw.lines.is_empty(), !raw.replace.is_empty()];
        let edits: Vec<&str> = EDITS.into_iter().zip(has_edit).filter_map(|(key, is)| is.then_some(key)).collect();
        match (&wholes[..], &edits[..]) {
            ([first, second, ..], _) => {
                let message = format!("both `{first}` and `{second}` are given");
                self.mistake(&within(at, *second), message, "keep one of them");
                None
            }
            ([whole], [edit, ..]) => {
                let message = format!("`{whole}` gives the whole path, and `{edit}` edits a part of it");
                self.mistake(&within(at, *edit), message, "keep one of them");
                None
            }
            ([_], []) => self.whole_form(at, key, raw),
            ([], []) if raw.mode.is_some() || raw.owner.is_some() => Some(Form::Attributes),
            // The entry may consist of keys that were reported and removed.
            ([], []) if self.document.has_lost_keys(at) => None,
            ([], []) => {
                let hint = "give `text`, `from`, `link`, `dir`, `absent`, an edit, `mode` or `owner`";
                self.mistake(at, "the entry has no content", hint);
                None
            }
            ([], _) => {
                self.not_a_folder(at, key, "an edit");
                Some(Form::Edits(self.edits_of_file(at, &key.path, raw)))
            }
        }
    }

    fn whole_form(&mut self, at: &[Part], key: &Key, raw: &written::File) -> Option<Form> {
        if let Some(text) = &raw.text {
            self.not_a_folder(at, key, "`text`");
            return Some(Form::Text(Source::inline(self.secret_text(&within(at, "text"), text)?)));
        }
        if let Some(from) = &raw.from {
            return self.form_of_from(at, key, raw, from);
        }
        if let Some(target) = &raw.link {
            self.not_a_folder(at, key, "`link`");
            let place = within(at, "link");
            let target = self.expanded(&place, target)?;
            if target.is_empty() || target.contains('\0') {
                self.mistake(&place, format!("`{target}` is not the target of a link"), "name a path");
                return None;
            }
            return Some(Form::Link(PathBuf::from(target)));
        }
        for (name, value, form) in [("dir", raw.dir, Form::Folder), ("absent", raw.absent, Form::Absent)] {
            match value {
                Some(true) => return Some(form),
                Some(false) => {
                    let hint = "write `true`, or remove the entry";
                    self.mistake(&within(at, name), format!("`{name} = false` has no meaning"), hint);
                }
                None => {}
            }
        }
        None
    }

    pub(super) fn not_a_folder(&mut self, at: &[Part], key: &Key, what: &str) {
        if key.is_folder {
            let message = format!("`{}/` is not the path of a file, which {what} needs", key.path.display());
            self.mistake_in_key(at, message, "leave the `/` at its end out");
        }
    }

    /// A file whose text is read when the profile is loaded.
    pub(super) fn text_file(&mut self, at: &[Part], raw: &Shorthand<Asset>) -> Option<AssetRef> {
        let file = self.asset_of(at, raw)?;
        self.not_on_a_server(at, &file)?;
        Some(file)
    }

    /// The paths that a key defines.
    fn keys_of_file(&mut self, at: &[Part], name: &str) -> Vec<Key> {
        let Some(text) = self.expanded(at, name) else { return Vec::new() };
        braces::expanded(&text).iter().filter_map(|path| self.key_of_file(at, path)).collect()
    }

    fn key_of_file(&mut self, at: &[Part], text: &str) -> Option<Key> {
        let path = PathBuf::from(text);
        let has_parent = path.components().any(|part| part == Component::ParentDir);
        let home = path.iter().next().and_then(|first| first.to_str()?.strip_prefix('~'));
        let is_home = home.is_some_and(|user| user.is_empty() || names::is_user(user)) && path.iter().count() > 1;
        if !(path.is_absolute() || is_home) || has_parent || text == "/" || text.contains('\0') {
            self.mistake_in_key(at, format!("`{text}` is not an absolute path"), "begin it with `/`, without `..`");
            return None;
        }
        if !self.is_on_disk(at, text, &path) {
            return None;
        }
        Some(Key { path: path.components().collect(), is_folder: text.ends_with('/') })
    }

    fn mode_of_path(&mut self, at: &[Part], text: &str) -> Option<Mode> {
        let text = self.expanded(at, text)?;
        let mode = Mode::parse(&text);
        if mode.is_none() {
            let hint = "permission bits in octal, such as `0644`, or as for chmod, such as `u+x`";
            self.mistake(at, format!("`{text}` is not a mode"), hint);
        }
        mode
    }

    fn owner_of_path(&mut self, at: &[Part], text: &str) -> Option<String> {
        let owner = self.expanded(at, text)?;
        let mut names = owner.splitn(2, ':');
        if !names.all(names::is_user) {
            self.mistake(at, format!("`{owner}` is not an owner"), "write `user` or `user:group`");
            return None;
        }
        Some(owner)
    }
}
