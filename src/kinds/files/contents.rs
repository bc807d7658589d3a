//! The files of an entry whose path is a folder: single files, globs, and folders of the file store.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::profile::{self, AssetRef, Assets, TemplateValues};

/// The files of a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contents {
    /// The files. A path may be a glob, or a folder with `/` at its end.
    pub from: Vec<AssetRef>,
    /// The values for the files, if they are templates.
    pub values: Option<Arc<TemplateValues>>,
}

impl Contents {
    /// The keys of the entry for `check --show`.
    pub(super) fn shown(&self) -> String {
        let from: Vec<String> = self.from.iter().map(profile::asset).collect();
        format!("from = [{}]", from.join(", "))
    }

    /// The files, by their paths below the folder. A glob or a folder without files stays, as a missing file.
    pub(super) fn files(&self, assets: &Assets<'_>) -> Vec<(PathBuf, AssetRef)> {
        let files = |from: &AssetRef| {
            let found = match from {
                _ if from.is_folder() || from.is_bucket_folder() => assets.below(from),
                _ if from.is_glob() => named(assets.matches(from)),
                _ => Vec::new(),
            };
            if found.is_empty() { named(vec![from.clone()]) } else { found }
        };
        self.from.iter().flat_map(files).collect()
    }
}

fn named(files: Vec<AssetRef>) -> Vec<(PathBuf, AssetRef)> {
    let name = |file: &AssetRef| Path::new(&file.path).file_name().map(PathBuf::from).unwrap_or_default();
    files.into_iter().map(|file| (name(&file), file)).collect()
}
