//! The paths of `[files]` as they are on the node.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use super::checked::{File, Files, Form, resolved};
use crate::{
    fs::{self, FsError, PathEntry, PathType, Snapshot},
    inventory::below,
    kinds::contract::LookAt,
    state::{Item, ListedPath, WHOLE},
};

/// The paths, by their keys in the profile.
#[derive(Debug)]
pub struct Look(BTreeMap<PathBuf, Result<Found, LookError>>);

/// Why a path could not be looked at.
#[derive(Debug)]
pub(super) enum LookError {
    /// The user whose home it is in does not exist.
    NoUser(String),
    /// An error of the file system.
    Fs(FsError),
}

/// A path on the node.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// The absolute path.
    pub path: PathBuf,
    /// The path itself, without following a link.
    pub entry: Option<PathEntry>,
    /// The file. Links of root are followed.
    pub file: Option<Snapshot>,
    /// Whether permissions or owners differ, at the path or below it.
    pub differs: bool,
    /// The paths that the entry removes.
    pub matches: Vec<PathBuf>,
    /// Whether the files of the archive are as the last run unpacked them.
    pub is_unpacked: bool,
}

impl Look {
    pub(super) fn read(files: &Files, at: &LookAt<'_>) -> Self {
        let read = |(key, entry): (&PathBuf, &crate::profile::Entry<File>)| {
            let found = resolved(key, &entry.value, at.users).map_err(LookError::NoUser);
            let found = found.and_then(|path| look(path, &entry.value, at).map_err(LookError::Fs));
            let found = found.and_then(|found| match &entry.value.form {
                Form::Unpack(_) => {
                    let is_unpacked = is_unpacked(&found.path, files, at).map_err(LookError::Fs)?;
                    Ok(Found { is_unpacked, ..found })
                }
                _ => Ok(found),
            });
            (key.clone(), found)
        };
        Self(files.0.iter().map(read).collect())
    }

    pub(super) fn get(&self, key: &Path) -> Option<&Result<Found, LookError>> {
        self.0.get(key)
    }
}

fn look(path: PathBuf, file: &File, at: &LookAt<'_>) -> Result<Found, FsError> {
    let real = below(at.root, &path);
    if let Form::Absent = file.form {
        return Ok(Found { matches: matches(&path, at.root), path, ..Found::default() });
    }
    let entry = fs::look_at(&real)?;
    let reads = matches!(file.form, Form::Text(_) | Form::Copy(_) | Form::Edits(_) | Form::Attributes);
    let is_file = matches!(entry.as_ref().map(|entry| &entry.kind), Some(PathType::File | PathType::Link(_)));
    let snapshot = match file.form {
        _ if !reads || !is_file => None,
        // A copy may be large, also for another user.
        Form::Copy(_) => fs::read_large(&real)?,
        _ => fs::read(&real)?,
    };
    let has_attributes = matches!(file.form, Form::Folder | Form::Attributes) && entry.is_some();
    let differs = has_attributes && {
        let mode = |current, is_folder| file.mode.as_ref().map_or(current, |mode| mode.of(current, is_folder));
        let owner = file.owner.as_ref().map(|owner| at.users.owner(owner));
        // An owner who does not exist yet does not own the path.
        owner == Some(None) || fs::change_attributes(&real, file.recursive, &mode, owner.flatten(), false)? > 0
    };
    Ok(Found { path, entry, file: snapshot, differs, matches: Vec::new(), is_unpacked: false })
}

/// Whether all paths that the last run unpacked are as it left them, except those that other entries name.
fn is_unpacked(path: &Path, files: &Files, at: &LookAt<'_>) -> Result<bool, FsError> {
    let Some(Item::Unpacked { lists, .. }) = at.receipt.item(at.profile, path, WHOLE) else { return Ok(false) };
    // With more than one list, the last run was killed.
    let [list] = &lists[..] else { return Ok(false) };
    let Some(listed) = ListedPath::read(at.root, list)? else { return Ok(false) };
    let (of_others, attributes_of_others) = (files.below(path), files.attributes_below(path));
    let is_there = |listed: &ListedPath| {
        let has_mode_of_other = attributes_of_others.contains(&listed.path);
        let found = below(at.root, &listed.path).symlink_metadata();
        found.is_ok_and(|found| listed.is_same(&found) || has_mode_of_other && listed.has_same_content(&found))
    };
    Ok(listed.iter().all(|listed| of_others.contains(&listed.path) || is_there(listed)))
}

/// The existing paths that a glob matches, as paths on the node.
pub(super) fn matches(path: &Path, root: &Path) -> Vec<PathBuf> {
    let text = path.display().to_string();
    let escaped = glob::Pattern::escape(&root.display().to_string());
    let pattern = format!("{}/{}", escaped.trim_end_matches('/'), text.trim_start_matches('/'));
    let Ok(found) = glob::glob(&pattern) else { return Vec::new() };
    let on_node = |path: PathBuf| Some(Path::new("/").join(path.strip_prefix(root).ok()?));
    let mut found: Vec<PathBuf> = found.flatten().filter_map(on_node).collect();
    // A glob does not match a link without a target.
    if found.is_empty() && below(root, path).is_symlink() {
        found.push(path.to_owned());
    }
    found
}
