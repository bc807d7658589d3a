//! The actions of `[files]`.

use std::path::{Path, PathBuf};

use super::{archive::Selection, edit_file::EditFile, mode::Mode, source::Source};
use crate::{digest::Digest, plan::WriteFile};

/// The action of a step: one path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Action {
    /// The profile.
    pub profile: String,
    /// The path on the node.
    pub file: PathBuf,
    /// The path below the root.
    pub path: PathBuf,
    /// Permission bits. `None` keeps those of an existing path.
    pub mode: Option<Mode>,
    /// `user` or `user:group`. The user may be created by another step.
    pub owner: Option<String>,
    /// The work.
    pub work: Work,
}

/// The work of an action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Work {
    /// Writes a text.
    Write(WriteFile),
    /// Writes a text with secrets.
    WriteSecret(Source),
    /// Copies a file.
    Copy {
        /// Its path.
        from: PathBuf,
        /// Its digest. `None` if a step of this run creates the file.
        digest: Option<Digest>,
        /// Its name in the file store, or its path on the node.
        label: String,
    },
    /// Unpacks an archive.
    Unpack(Unpack),
    /// Makes a symbolic link.
    Link(PathBuf),
    /// Makes a folder.
    Folder {
        /// Whether the attributes are for everything below it, too.
        recursive: bool,
    },
    /// Removes paths of the node.
    Remove {
        /// The path of the entry, which may be a glob.
        paths: Vec<PathBuf>,
        /// Whether folders are removed with their content.
        recursive: bool,
    },
    /// Edits a file.
    Edit(EditFile),
    /// Sets permissions and owner of a path that something else creates.
    Attributes {
        /// Whether they are for everything below a folder, too.
        recursive: bool,
    },
    /// Nothing: the step cannot succeed.
    Impossible,
}

/// An archive to unpack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unpack {
    /// Its path.
    pub from: PathBuf,
    /// Its file name.
    pub name: String,
    /// Its name in the file store.
    pub label: String,
    /// Its digest.
    pub digest: Digest,
    /// The digest and the options of the entry, for the record.
    pub identity: String,
    /// The files to unpack.
    pub selection: Selection,
    /// Paths of which other entries set only permissions and owner.
    pub attributes_of_others: Vec<PathBuf>,
    /// Paths of other entries. They are not overwritten.
    pub left_to_others: Vec<PathBuf>,
}

impl Action {
    /// The work in one line.
    pub(super) fn title(&self) -> String {
        let path = self.path.display();
        match &self.work {
            Work::Write(write) => write.title(),
            Work::WriteSecret(_) => format!("write {path} with secrets"),
            Work::Copy { .. } => format!("copy to {path}"),
            Work::Unpack(_) => format!("unpack to {path}"),
            Work::Link(target) => format!("link {path} to {}", target.display()),
            Work::Folder { .. } => format!("make the folder {path}"),
            Work::Remove { .. } => format!("remove {path}"),
            Work::Edit(_) => format!("edit {path}"),
            Work::Attributes { .. } => format!("set the attributes of {path}"),
            Work::Impossible => format!("write {path}"),
        }
    }

    /// The changes, one line each.
    pub(super) fn describe(&self) -> Vec<String> {
        let mut lines = match &self.work {
            Work::Write(write) => write.describe(),
            Work::WriteSecret(source) => {
                let keys: Vec<&str> =
                    source.text.parts().iter().filter_map(|part| Some(part.secret()?.key.as_str())).collect();
                vec![format!("write {} with the secrets {}", self.path.display(), keys.join(", "))]
            }
            Work::Copy { digest: Some(digest), label, .. } => vec![format!("copy {label} ({digest})")],
            Work::Copy { digest: None, label, .. } => vec![format!("copy {label}, which another step creates")],
            Work::Unpack(unpack) => vec![format!("unpack {} ({})", unpack.label, unpack.digest)],
            Work::Remove { paths, .. } => paths.iter().map(|path| format!("remove {}", path.display())).collect(),
            Work::Edit(edit) => edit.describe(&self.path),
            Work::Link(_) | Work::Folder { .. } | Work::Attributes { .. } | Work::Impossible => Vec::new(),
        };
        lines.extend(self.mode.as_ref().map(|mode| format!("mode {mode}")));
        lines.extend(self.owner.as_ref().map(|owner| format!("owner {owner}")));
        lines.extend(self.warning());
        lines
    }

    /// The warning about a mode that allows all users to write. A folder with the sticky bit is no risk.
    pub(super) fn warning(&self) -> Option<String> {
        let mode = self.mode.as_ref()?;
        let bits = mode.of(0o644, false);
        (bits & 0o1002 == 0o002)
            .then(|| format!("the mode {mode} allows all users to write to `{}`", self.file.display()))
    }

    /// The folder of the files that are unpacked, below the root.
    pub(super) fn folder_of_archive(&self, unpack: &Unpack) -> &Path {
        if unpack.selection.is_file { self.path.parent().unwrap_or(&self.path) } else { &self.path }
    }
}
