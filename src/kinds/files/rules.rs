//! Rules of `[files]`.

use std::path::{Path, PathBuf};

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

impl Rules<'_> {
    pub(super) fn whole_files(&mut self, written: &written::Written) -> Files {
        let entries = written.files.iter().filter_map(|(path, raw)| self.whole_file(path, raw));
        Files(entries.collect())
    }

    fn whole_file(&mut self, name: &str, raw: &written::File) -> Option<(PathBuf, Entry<File>)> {
        let at = place!["files", name];
        let path = self.path_of_file(&at, name);
        let text = self.expanded(&place!["files", name, "text"], &raw.text);
        let mode = raw.mode.as_deref().map(|mode| self.mode_of_file(&place!["files", name, "mode"], mode));
        let timeout = self.timeout(&at, raw.timeout.as_deref());
        let order = self.order(&at, &raw.after, &raw.before);
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
