//! Rules of `[files]`.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use super::{
    checked::{File, Files},
    written,
};
use crate::{
    grammar::{document::Part, names},
    profile::{Entry, Rules, place},
};

/// Folders of the kernel's virtual file systems.
const KERNEL: [&str; 3] = ["/proc", "/sys", "/dev"];

/// The names of a file in `after` and `before`: its path as written, and without doubled slashes.
pub(super) fn names(path: &str) -> [String; 2] {
    let plain: PathBuf = Path::new(path).components().collect();
    [format!("files.{path}"), format!("files.{}", plain.display())]
}

impl Rules<'_> {
    pub(super) fn whole_files(&mut self, written: &written::Written) -> Files {
        let mut files = BTreeMap::new();
        let mut keys: BTreeMap<PathBuf, &str> = BTreeMap::new();
        for (name, raw) in &written.files {
            let Some((path, entry)) = self.whole_file(name, raw) else { continue };
            if let Some(first) = keys.insert(path.clone(), name) {
                let at = self.origin_of_key(&place!["files", first]).with_column();
                let message = format!("`{}` is written by two entries; the other is at {at}", path.display());
                self.mistake_in_key(&place!["files", name.as_str()], message, "remove one of the entries");
                continue;
            }
            files.insert(path, entry);
        }
        Files(files)
    }

    fn whole_file(&mut self, name: &str, raw: &written::File) -> Option<(PathBuf, Entry<File>)> {
        let at = place!["files", name];
        let path = self.path_of_file(&at, name);
        let text = self.expanded(&place!["files", name, "text"], &raw.text);
        let mode = raw.mode.as_deref().map(|mode| self.mode_of_file(&place!["files", name, "mode"], mode));
        let timeout = self.timeout(&at, raw.timeout.as_deref());
        let mut names = self.spellings(names(name));
        if let Some(resolved) = path.as_ref().map(|path| format!("files.{}", path.display()))
            && !names.contains(&resolved)
        {
            names.push(resolved);
        }
        let order = self.order(&at, names, (&raw.after, &raw.before));
        if !self.counts(&at, raw.when.as_ref()) {
            return None;
        }
        let value = File { text: text?, mode: mode.map_or(Some(None), |mode| mode.map(Some))? };
        Some((path?, Entry { value, origin: self.origin(&at), optional: raw.optional, timeout, order }))
    }

    fn path_of_file(&mut self, at: &[Part], name: &str) -> Option<PathBuf> {
        let text = match self.expanded(at, name) {
            Some(text) if !text.ends_with('/') => text,
            Some(text) => {
                self.mistake_in_key(at, format!("`{text}` is not the path of a file"), "leave the `/` at its end out");
                return None;
            }
            None => return None,
        };
        let path = PathBuf::from(&text);
        let has_parent = path.components().any(|part| part == std::path::Component::ParentDir);
        if !path.is_absolute() || has_parent || text == "/" {
            self.mistake_in_key(at, format!("`{text}` is not an absolute path"), "begin it with `/`, without `..`");
            return None;
        }
        if let Some(folder) = KERNEL.iter().find(|folder| path.starts_with(folder)) {
            let message = format!("`{text}` is below `{folder}`, whose files the kernel makes");
            self.mistake_in_key(at, message, "name a file on a disk");
            return None;
        }
        Some(Path::new(&text).components().collect())
    }

    fn mode_of_file(&mut self, at: &[Part], mode: &str) -> Option<u32> {
        if !names::is_mode(mode) {
            self.mistake(at, format!("`{mode}` is not a mode"), "permission bits in octal, such as `0644`");
            return None;
        }
        u32::from_str_radix(mode, 8).ok()
    }
}
