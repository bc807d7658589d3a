//! Files and folders as the APIs of the file stores list them.

use serde::Deserialize;

/// A file or folder of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RemoteEntry {
    pub(super) name: String,
    pub(super) is_folder: bool,
    pub(super) size: Option<u64>,
    /// Changes when the file changes.
    pub(super) version: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct DbfsFolder {
    #[serde(default)]
    pub(super) files: Vec<DbfsFile>,
}

#[derive(Deserialize)]
pub(super) struct DbfsFile {
    pub(super) path: String,
    pub(super) is_dir: bool,
    #[serde(default)]
    pub(super) file_size: u64,
    pub(super) modification_time: Option<i64>,
}

#[derive(Deserialize)]
pub(super) struct DbfsPage {
    #[serde(default)]
    pub(super) data: String,
}

#[derive(Deserialize)]
pub(super) struct VolumePage {
    #[serde(default)]
    pub(super) contents: Vec<VolumeFile>,
    pub(super) next_page_token: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct VolumeFile {
    pub(super) path: String,
    #[serde(default)]
    pub(super) is_directory: bool,
    pub(super) file_size: Option<u64>,
    pub(super) last_modified: Option<i64>,
}

#[derive(Deserialize)]
pub(super) struct WorkspaceFolder {
    #[serde(default)]
    pub(super) objects: Vec<WorkspaceObject>,
}

#[derive(Deserialize)]
pub(super) struct WorkspaceObject {
    pub(super) path: String,
    pub(super) object_type: String,
    pub(super) size: Option<u64>,
    pub(super) modified_at: Option<i64>,
}

fn last(path: &str) -> String {
    path.trim_end_matches('/').rsplit('/').next().unwrap_or_default().to_owned()
}

impl From<DbfsFile> for RemoteEntry {
    fn from(file: DbfsFile) -> Self {
        let version = file.modification_time.map(|time| time.to_string());
        Self { name: last(&file.path), is_folder: file.is_dir, size: Some(file.file_size), version }
    }
}

impl From<VolumeFile> for RemoteEntry {
    fn from(file: VolumeFile) -> Self {
        let version = file.last_modified.map(|time| time.to_string());
        Self { name: last(&file.path), is_folder: file.is_directory, size: file.file_size, version }
    }
}

impl RemoteEntry {
    /// Notebooks and other objects are not files.
    pub(super) fn of_workspace(object: &WorkspaceObject) -> Option<Self> {
        let is_folder = match object.object_type.as_str() {
            "DIRECTORY" | "REPO" => true,
            "FILE" => false,
            _ => return None,
        };
        let version = object.modified_at.map(|time| time.to_string());
        Some(Self { name: last(&object.path), is_folder, size: object.size, version })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notebook_is_not_a_file() {
        let object = |kind: &str| WorkspaceObject {
            path: "/Shared/x".into(),
            object_type: kind.into(),
            size: None,
            modified_at: None,
        };
        assert_eq!(RemoteEntry::of_workspace(&object("NOTEBOOK")), None);
        assert_eq!(RemoteEntry::of_workspace(&object("FILE")).map(|entry| entry.name), Some("x".into()));
    }
}
