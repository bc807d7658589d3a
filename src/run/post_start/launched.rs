//! The stage as a launch run left it: a copy of the profile and its files, the decisions about conditions, and the test
//! that the node is ready. The folder of a launch never changes; a file names the present one.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::launched_commit::LaunchedCommit;
use crate::{
    digest::Digest,
    fs::{self, Attributes, FsError},
    lock::{BucketFolders, LockedGit},
    profile::{Decisions, FileStore, Probe},
    report::event::ProfileSource,
    state::stage_folder,
};

/// The file with the name of the present launch run.
const PRESENT: &str = "present";
/// The file with everything but the copies.
const FILE: &str = "launched.json";
/// The folder of the copies.
const FILES: &str = "files";

/// The stage as a launch run left it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Launched {
    /// The launch run.
    pub run: String,
    /// The profile's name.
    pub profile: String,
    /// The name or the path of the profile, for the copy.
    pub request: String,
    /// The values of variables from the command line.
    pub sets: BTreeMap<String, String>,
    /// The files of the profile.
    pub sources: Vec<ProfileSource>,
    /// The test that the node is ready.
    pub ready: Probe,
    /// The decisions about conditions.
    pub decisions: Decisions,
    /// The digests of files on servers, by their names in the profile.
    pub digests: BTreeMap<String, String>,
    /// The files of folders in buckets.
    #[serde(default)]
    pub folders: BucketFolders,
    /// The commits that the lock has for git repositories.
    #[serde(default)]
    pub commits: Vec<LaunchedCommit>,
    /// The root of the file store.
    pub root: PathBuf,
    /// The copied files: their digests and their names for messages, by their paths.
    pub files: BTreeMap<PathBuf, CopiedFile>,
}

/// A copied file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct CopiedFile {
    /// Its name for messages.
    pub name: String,
    /// Its SHA-256, 64 hexadecimal digits.
    pub sha256: String,
}

impl Launched {
    /// The stage of the present launch of a profile. `None` if no launch has left one.
    pub fn present(root: &Path, profile: &str) -> Option<Self> {
        let run = present(root, profile)?;
        let bytes = std::fs::read(folder(root, profile, &run).join(FILE)).ok()?;
        serde_json::from_slice(&bytes).ok()
    }

    /// Whether no later launch has replaced it.
    pub fn is_present(&self, root: &Path) -> bool {
        present(root, &self.profile).as_ref() == Some(&self.run)
    }

    /// Makes it the present one.
    pub(super) fn replace_present(&self, root: &Path) -> Result<(), FsError> {
        let mut text = serde_json::to_string_pretty(self).expect("maps with text keys can be written");
        text.push('\n');
        let private = Attributes::mode(0o600);
        fs::replace(&folder(root, &self.profile, &self.run).join(FILE), text.as_bytes(), private)?;
        fs::replace(&stage_folder(root, &self.profile).join(PRESENT), self.run.as_bytes(), private)
    }

    /// Removes what other launches left.
    pub(super) fn remove_others(&self, root: &Path) -> Result<(), FsError> {
        let entries = std::fs::read_dir(stage_folder(root, &self.profile)).into_iter().flatten();
        let folders = entries.filter_map(Result::ok).filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
        let others = folders.filter(|entry| entry.file_name() != *self.run);
        others.map(|entry| entry.path()).try_for_each(|path| fs::remove_tree(&path))
    }

    /// The copy as a file store.
    pub fn file_store(&self, root: &Path) -> FileStore {
        let files = copies(root, &self.profile, &self.run);
        let names = self.files.iter().map(|(path, file)| (crate::profile::copied(&files, path), file.name.clone()));
        FileStore::copy(&files, &self.root, names.collect())
    }

    /// The digests of files on servers, by their names in the profile.
    pub fn pinned(&self) -> BTreeMap<String, Digest> {
        let parsed = |(name, digest): (&String, &String)| Some((name.clone(), digest.parse().ok()?));
        self.digests.iter().filter_map(parsed).collect()
    }

    /// The commits that the lock of the launch has for git repositories.
    pub fn locked_commits(&self) -> Vec<LockedGit> {
        self.commits.iter().filter_map(LaunchedCommit::locked).collect()
    }

    /// The digests of the copied files. Only root can change the copies.
    pub fn copied_digests(&self) -> impl Iterator<Item = Digest> {
        self.files.values().filter_map(|file| file.sha256.parse().ok())
    }
}

fn present(root: &Path, profile: &str) -> Option<String> {
    std::fs::read_to_string(stage_folder(root, profile).join(PRESENT)).ok()
}

/// Ends the stage of a profile that waits.
pub(super) fn forget_present(root: &Path, profile: &str) -> Result<(), FsError> {
    fs::remove(&stage_folder(root, profile).join(PRESENT))
}

/// The folder of a launch run.
pub(super) fn folder(root: &Path, profile: &str, run: &str) -> PathBuf {
    stage_folder(root, profile).join(run)
}

/// The folder of the copies of a launch run. The path of each file continues below it.
pub(super) fn copies(root: &Path, profile: &str, run: &str) -> PathBuf {
    folder(root, profile, run).join(FILES)
}
