//! `[files]` as checked.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use super::{archive::Archive, contents::Contents, edits::Edit, mode::Mode, source::Source};
use crate::{
    diagnostic::Origin,
    facts::users::Users,
    profile::{AssetRef, Entry, SecretRef},
};

/// Entries by their path: absolute, or below a home as `~/x` or `~NAME/x`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Files(pub BTreeMap<PathBuf, Entry<File>>);

impl Files {
    /// The paths below a path whose content an entry determines.
    pub(super) fn below(&self, path: &Path) -> BTreeSet<PathBuf> {
        self.paths_below(path, |form| !matches!(form, Form::Attributes))
    }

    /// The paths below a path of which an entry sets only permissions and owner.
    pub(super) fn attributes_below(&self, path: &Path) -> BTreeSet<PathBuf> {
        self.paths_below(path, |form| matches!(form, Form::Attributes))
    }

    fn paths_below(&self, path: &Path, counts: impl Fn(&Form) -> bool) -> BTreeSet<PathBuf> {
        let is_below = |key: &PathBuf| key.starts_with(path) && key != path;
        let found = self.0.iter().filter(|(key, entry)| is_below(key) && counts(&entry.value.form));
        found.map(|(key, _)| key.clone()).collect()
    }
}

/// An entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// The desired type or content of the path.
    pub form: Form,
    /// Permission bits. `None` keeps those of an existing path.
    pub mode: Option<Mode>,
    /// `user` or `user:group`. `None` keeps that of an existing path.
    pub owner: Option<String>,
    /// Whether mode, owner and removal apply to everything below.
    pub recursive: bool,
    /// Whether an existing path stays as it is.
    pub keep: bool,
    /// The whole entry of an extended profile that these edits replace. It is a mistake.
    pub replaces_whole: Option<Origin>,
}

/// The form of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Form {
    /// A file with this text.
    Text(Source),
    /// A copy of a file.
    Copy(AssetRef),
    /// Files in a folder. When the profile is complete, each of them is an entry of its own.
    Contents(Contents),
    /// The files of an archive.
    Unpack(Archive),
    /// A symbolic link.
    Link(PathBuf),
    /// A folder.
    Folder,
    /// Nothing. The path may be a glob.
    Absent,
    /// A file that others write, too.
    Edits(Vec<Edit>),
    /// A path that something else creates.
    Attributes,
}

impl File {
    /// Whether the entry determines the whole file.
    pub fn is_whole(&self) -> bool {
        !matches!(self.form, Form::Edits(_) | Form::Attributes)
    }

    /// Whether it copies a file of the node.
    pub(super) fn copies_from_node(&self) -> bool {
        matches!(&self.form, Form::Copy(file) if file.path.starts_with('/'))
    }

    /// The file that is copied or unpacked.
    pub(super) fn copied(&self) -> Option<&AssetRef> {
        match &self.form {
            Form::Copy(file) => Some(file),
            Form::Unpack(archive) => Some(&archive.from),
            Form::Text(_)
            | Form::Contents(_)
            | Form::Link(_)
            | Form::Folder
            | Form::Absent
            | Form::Edits(_)
            | Form::Attributes => None,
        }
    }

    /// All texts of the entry.
    pub(super) fn sources(&self) -> Vec<&Source> {
        match &self.form {
            Form::Text(source) => vec![source],
            Form::Edits(edits) => edits.iter().filter_map(Edit::source).collect(),
            Form::Copy(_)
            | Form::Contents(_)
            | Form::Unpack(_)
            | Form::Link(_)
            | Form::Folder
            | Form::Absent
            | Form::Attributes => Vec::new(),
        }
    }

    /// The same, to fill them in.
    pub(super) fn sources_mut(&mut self) -> Vec<&mut Source> {
        match &mut self.form {
            Form::Text(source) => vec![source],
            Form::Edits(edits) => edits.iter_mut().filter_map(Edit::source_mut).collect(),
            Form::Copy(_)
            | Form::Contents(_)
            | Form::Unpack(_)
            | Form::Link(_)
            | Form::Folder
            | Form::Absent
            | Form::Attributes => Vec::new(),
        }
    }

    /// The secrets of the entry.
    pub(super) fn secrets_mut(&mut self) -> Vec<&mut SecretRef> {
        match &mut self.form {
            Form::Text(source) => source.text.secrets_mut().collect(),
            Form::Edits(edits) => {
                edits.iter_mut().filter_map(Edit::text_mut).flat_map(crate::profile::SecretText::secrets_mut).collect()
            }
            Form::Copy(_)
            | Form::Contents(_)
            | Form::Unpack(_)
            | Form::Link(_)
            | Form::Folder
            | Form::Absent
            | Form::Attributes => Vec::new(),
        }
    }

    /// Whether the file gets a secret.
    pub fn has_secrets(&self) -> bool {
        match &self.form {
            Form::Text(source) => source.text.has_secrets(),
            Form::Edits(edits) => edits.iter().any(Edit::has_secrets),
            Form::Copy(_)
            | Form::Contents(_)
            | Form::Unpack(_)
            | Form::Link(_)
            | Form::Folder
            | Form::Absent
            | Form::Attributes => false,
        }
    }

    /// The user in `owner`.
    pub(super) fn user(&self) -> Option<&str> {
        self.owner.as_deref().map(|owner| owner.split(':').next().unwrap_or_default())
    }
}

/// The absolute path of an entry. The error is the user whose home is not known.
pub(super) fn resolved(path: &Path, file: &File, users: &Users) -> Result<PathBuf, String> {
    let Some(first) = path.iter().next().and_then(|first| first.to_str()?.strip_prefix('~')) else {
        return Ok(path.to_owned());
    };
    let user = if first.is_empty() { file.user().unwrap_or("root") } else { first };
    let home = users.user(user).map(|user| user.home.clone()).ok_or_else(|| user.to_owned())?;
    Ok(home.join(path.iter().skip(1).collect::<PathBuf>()))
}
