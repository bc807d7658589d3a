//! The reason and the hint for a file that a search did not find.

use std::path::{Path, PathBuf};

use super::{
    AssetRef, FileStore,
    find::{ADMIN, asset_folders},
};
use crate::diagnostic::nearest;

/// Why a file was not found, and what to do.
pub(super) struct Reason {
    pub(super) message: String,
    pub(super) hint: String,
}

/// A search that found nothing.
pub(super) struct Search<'a> {
    pub(super) store: &'a FileStore,
    /// The profile's unit.
    pub(super) unit: Option<&'a str>,
    /// The folders that were searched.
    pub(super) folders: &'a [PathBuf],
}

impl Search<'_> {
    /// Why it found nothing: the file store lists no files, the file is in the tree of another unit, its name has a
    /// typo, or it is nowhere.
    pub(super) fn reason(&self, wanted: &AssetRef) -> Reason {
        let is_of_store = !Path::new(&wanted.path).is_absolute();
        if is_of_store && !self.store.lists() && (wanted.is_folder() || wanted.is_glob()) {
            return Reason {
                message: format!("the files of `{}` are not known: a web server does not list its files", wanted.path),
                hint: "name each file, or use a file store with folders".to_owned(),
            };
        }
        let message = if wanted.is_glob() {
            let place = if is_of_store { " of the file store" } else { "" };
            format!("no file{place} matches `{}`", wanted.path)
        } else {
            let place = if is_of_store { "in the file store" } else { "on this node" };
            format!("the file `{}` is not {place}", wanted.path)
        };
        if let Some((unit, path)) = self.in_another_tree(wanted) {
            let path = self.store.shown(&path);
            let why = match self.unit {
                Some(own) => format!(
                    "`{path}` belongs to `{unit}`, and a profile of `{own}` does not use it; copy the file to the tree of `{own}`"
                ),
                None => format!(
                    "the profile has no `business-unit`, so `{path}` is not searched; add `business-unit = \"{unit}\"`"
                ),
            };
            return Reason {
                message: format!("the file `{}` is in the file store, but only in the tree of `{unit}`", wanted.path),
                hint: why,
            };
        }
        let near = self.nearest_path(wanted).map(|near| format!("did you mean `{near}`?"));
        if !is_of_store {
            return Reason { message, hint: near.unwrap_or_else(|| "check the path".to_owned()) };
        }
        let hint = near.unwrap_or_else(|| format!("put it in one of {}", self.listed_folders()));
        Reason { message, hint }
    }

    fn listed_folders(&self) -> String {
        let shown = |folder: &PathBuf| {
            let whole = std::path::absolute(folder).unwrap_or_else(|_| folder.clone());
            format!("`{}`", self.store.shown(&whole))
        };
        if self.folders.is_empty() {
            // None of the trees exists yet.
            let trees = self.unit.into_iter().chain([ADMIN]).map(|unit| shown(&self.store.root.join(unit)));
            return trees.collect::<Vec<_>>().join(", ");
        }
        self.folders.iter().map(shown).collect::<Vec<_>>().join(", ")
    }

    /// The first unit whose tree has the file. A remote store is not asked: an answer would be a download.
    fn in_another_tree(&self, wanted: &AssetRef) -> Option<(String, PathBuf)> {
        if Path::new(&wanted.path).is_absolute() || self.store.is_remote(&self.store.root) {
            return None;
        }
        self.store.trees().ok()?.into_iter().find_map(|(unit, tree)| {
            let path = asset_folders(&tree).map(|folder| folder.join(&wanted.path));
            path.into_iter().find(|path| path.is_file()).map(|path| (unit, path))
        })
    }

    /// The path of a file whose name is similar, in the folders that were searched.
    fn nearest_path(&self, wanted: &AssetRef) -> Option<String> {
        let wanted = Path::new(&wanted.path);
        let typed = wanted.file_name()?.to_str()?;
        let parent = wanted.parent()?;
        self.folders.iter().find_map(|folder| {
            let entries = std::fs::read_dir(folder.join(parent)).ok()?.filter_map(Result::ok);
            let names: Vec<String> = entries
                .filter(|entry| entry.path().is_file())
                .filter_map(|entry| entry.file_name().into_string().ok())
                .collect();
            let near = nearest(typed, names.iter().map(String::as_str))?;
            Some(parent.join(near).display().to_string())
        })
    }
}
