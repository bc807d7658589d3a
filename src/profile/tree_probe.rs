//! Tests whether the node may read the tree of a unit: by its listing, then by the names of files that it may have.

use std::{
    collections::BTreeSet,
    fs::File,
    io::ErrorKind,
    path::{Component, Path, PathBuf},
};

use super::{
    builtin,
    find::{ADMIN, FileStore, SCRIPTS, asset_folders},
};
use crate::{auth::TreeAccess, filestore::FileStoreError, fs::read_bounded};

/// The folder of a unit that holds the files of its profiles.
const LIB: &str = "lib";
/// The maximum number of names in profiles that are tried in each tree.
const MAX_NAMES: usize = 50;
/// The largest profile that is searched for names, in bytes.
const MAX_PROFILE: u64 = 1 << 20;

impl FileStore {
    /// Whether the node may read a tree. Lists the tree. If that is refused, tries the profile of the unit and the
    /// files of [`FileStore::named_files`]. Some file stores refuse a listing and return the files.
    ///
    /// # Errors
    /// The reason why the check failed, in one line.
    pub fn probe(&self, tree: &Path, names: &BTreeSet<PathBuf>) -> Result<TreeAccess, String> {
        if self.is_listed(tree)? {
            return Ok(TreeAccess::Listed);
        }
        let unit = tree.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_ascii_lowercase();
        let scripts = tree.join(SCRIPTS);
        let own = ["toml", "lock"].map(|ending| scripts.join(format!("{unit}.{ending}")));
        let folders = asset_folders(tree);
        let files = names.iter().take(MAX_NAMES).flat_map(|name| folders.iter().map(move |folder| folder.join(name)));
        for file in own.into_iter().chain(files) {
            if self.is_readable(&file)? {
                return Ok(TreeAccess::File(self.shown(&file)));
            }
        }
        Ok(TreeAccess::Closed)
    }

    /// The files below `lib` that the profiles of a unit, of the administrators and of the binary name. Other units
    /// often use the same names.
    pub fn named_files(&self, unit: Option<&str>) -> BTreeSet<PathBuf> {
        let built_in = builtin::profiles().filter_map(|name| builtin::file(&format!("{name}.toml")));
        let mut names: BTreeSet<PathBuf> = built_in.flat_map(|file| files_in(file.text)).collect();
        // A tree that cannot be read has no names to offer.
        for tree in unit.into_iter().chain([ADMIN]).filter_map(|unit| self.find_tree(unit).ok().flatten()) {
            for entry in std::fs::read_dir(tree.join(SCRIPTS)).into_iter().flatten().flatten() {
                let path = entry.path();
                if path.extension().is_some_and(|ending| ending == "toml") {
                    let bytes = read_bounded(&path, MAX_PROFILE).unwrap_or_default();
                    names.extend(files_in(&String::from_utf8_lossy(&bytes)));
                }
            }
        }
        names
    }

    /// Whether a tree or its folder of profiles can be listed.
    fn is_listed(&self, tree: &Path) -> Result<bool, String> {
        if let Some(mirror) = &self.mirror {
            return allowed(mirror.probe(tree));
        }
        for folder in [tree.to_owned(), tree.join(SCRIPTS)] {
            match std::fs::read_dir(&folder) {
                Ok(_) => return Ok(true),
                Err(error) if matches!(error.kind(), ErrorKind::PermissionDenied | ErrorKind::NotFound) => {}
                Err(error) => return Err(format!("`{}` could not be read: {error}", folder.display())),
            }
        }
        Ok(false)
    }

    /// Whether a file exists and can be read.
    fn is_readable(&self, file: &Path) -> Result<bool, String> {
        if let Some(mirror) = &self.mirror {
            return allowed(mirror.probe_file(file));
        }
        // Opening a named pipe would wait for a writer.
        let opened = std::fs::metadata(file).and_then(|found| {
            if found.is_file() { File::open(file).map(drop) } else { Err(ErrorKind::NotFound.into()) }
        });
        match opened {
            Ok(()) => Ok(true),
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::PermissionDenied | ErrorKind::NotFound | ErrorKind::NotADirectory
                ) =>
            {
                Ok(false)
            }
            Err(error) => Err(format!("`{}` could not be read: {error}", file.display())),
        }
    }
}

fn allowed(answer: Result<(), FileStoreError>) -> Result<bool, String> {
    match answer {
        Ok(()) => Ok(true),
        Err(error) if error.is_refusal() => Ok(false),
        Err(error) => Err(error.to_string()),
    }
}

/// The files below `lib` that a profile names.
fn files_in(text: &str) -> BTreeSet<PathBuf> {
    let mut files = BTreeSet::new();
    let table: toml::Table = text.parse().unwrap_or_default();
    let mut open = vec![toml::Value::Table(table)];
    while let Some(value) = open.pop() {
        match value {
            toml::Value::String(text) => files.extend(file_of(&text)),
            toml::Value::Array(values) => open.extend(values),
            toml::Value::Table(table) => open.extend(table.into_iter().map(|(_, value)| value)),
            _ => {}
        }
    }
    files
}

/// A path below `lib`, without variables and patterns.
fn file_of(text: &str) -> Option<PathBuf> {
    let path = Path::new(text);
    let is_fixed = !text.contains(['$', '*', '?', '[', '{', '\n', '\0']);
    let is_below = path.starts_with(LIB) && path.components().all(|part| matches!(part, Component::Normal(_)));
    (is_fixed && is_below && path != Path::new(LIB)).then(|| path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_of_a_profile_are_found_in_all_its_entries() {
        let text = "[wheel]\nfiles = [\"lib/a.whl\", { path = \"lib/b.whl\" }]\n[shell]\nbashrc = \"prompt.sh\"\n[apt]\ndebs = \
                    [\"lib/*.deb\", \"lib/${vars.x}.deb\", \"lib/../c.deb\", \"/lib/d.deb\", \"https://e/lib/e.deb\"]\n";
        assert_eq!(files_in(text).into_iter().collect::<Vec<_>>(), ["lib/a.whl", "lib/b.whl"].map(PathBuf::from));
        assert!(files_in("no profile").is_empty());
    }
}
