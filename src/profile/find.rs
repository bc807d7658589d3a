//! Finds profiles: in the trees of the file store, then in the binary.

use std::{
    collections::BTreeSet,
    path::{Component, Path, PathBuf},
    sync::Arc,
};

use super::{
    builtin,
    read_texts::{Originals, ReadTexts},
    requirements,
};
use crate::{
    diagnostic::{Diagnostic, nearest},
    filestore::{FileStoreError, Mirror},
    fs::read_bounded,
    trust::Trusted,
};

/// The folder of a unit that holds its profiles.
pub(super) const SCRIPTS: &str = "init_scripts";
/// The unit of the platform's administrators. Its files apply to all units.
pub(super) const ADMIN: &str = "Admin";
/// The access file, in the folder of the admin profiles. It defines permissions.
pub const ACCESS: &str = "access.toml";
/// The largest text that is read: a profile, a lock or an access file, and any file under trusted keys. The limit
/// protects the memory from users with write access to the store, and from a profile that extends a device.
const MOST_TEXT: u64 = 8 << 20;

/// The shared file store of a company: a folder with one tree for each unit.
#[derive(Debug, Clone)]
pub struct FileStore {
    /// The folder that contains the units' trees. For a remote store it is the mirror's folder.
    pub root: PathBuf,
    /// Copies files of a remote store into that folder.
    pub(super) mirror: Option<Arc<Mirror>>,
    /// The keys and digests that decide which files are trusted.
    pub(super) trusted: Arc<Trusted>,
    /// The texts that were read.
    pub(super) reads: Arc<ReadTexts>,
    /// The names of the original files, if the store is a copy of another one.
    pub(super) originals: Option<Arc<Originals>>,
}

/// A profile's bytes and their origin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Text {
    /// The name for messages.
    pub(super) label: String,
    /// The profile's folder. `None` for a built-in profile.
    pub(super) folder: Option<PathBuf>,
    /// The identity of the file: equal for all paths that lead to it.
    pub(super) identity: PathBuf,
    pub(super) bytes: Vec<u8>,
}

/// The error of a profile that does not exist.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub(super) struct NotFound {
    pub(super) message: String,
    /// The searched locations.
    pub(super) causes: Vec<String>,
    pub(super) hint: String,
}

/// The folders of one unit's tree that are searched for an asset.
pub(super) fn asset_folders(tree: &Path) -> [PathBuf; 2] {
    [tree.to_owned(), tree.join(SCRIPTS)]
}

impl FileStore {
    /// A store that is a folder of the node.
    pub fn local(root: impl Into<PathBuf>) -> Self {
        let (trusted, reads) = (Arc::default(), Arc::default());
        Self { root: root.into(), mirror: None, trusted, reads, originals: None }
    }

    /// A remote store. Copies the admin folder at once, because every decision needs it.
    ///
    /// # Errors
    /// If the admin folder exists but cannot be read.
    pub fn remote(mirror: Mirror) -> Result<Self, FileStoreError> {
        let root = mirror.folder().to_owned();
        let store = Self { mirror: Some(Arc::new(mirror)), ..Self::local(root) };
        store.find_tree(ADMIN)?;
        Ok(store)
    }

    /// Whether a file is fetched over the network. The local file is then a copy, and nothing is written to it.
    pub fn is_remote(&self, path: &Path) -> bool {
        self.mirror.is_some() && path.starts_with(&self.root)
    }

    /// The store's root, for messages.
    pub fn label(&self) -> String {
        self.shown(&self.root)
    }

    /// A path, for messages. For a remote store it is the remote name.
    pub fn shown(&self, path: &Path) -> String {
        let original = self.originals.as_ref().and_then(|originals| originals.name(path));
        original.or_else(|| self.mirror.as_ref()?.shown(path)).unwrap_or_else(|| label(path))
    }

    /// Copies a file of a remote store to the node. Returns whether the file exists.
    pub(super) fn bring(&self, path: &Path) -> Result<bool, FileStoreError> {
        match &self.mirror {
            Some(mirror) => mirror.bring(path),
            None => Ok(path.is_file()),
        }
    }

    /// Copies the files of a folder of a remote store to the node. A web server has no folders.
    pub(super) fn bring_folder(&self, folder: &Path) -> Result<(), FileStoreError> {
        match &self.mirror {
            Some(mirror) if mirror.lists() => mirror.bring_all(folder, ""),
            _ => Ok(()),
        }
    }

    /// Copies all files below a folder of a remote store to the node. A web server has no folders.
    pub(super) fn bring_tree(&self, folder: &Path) -> Result<(), FileStoreError> {
        match &self.mirror {
            Some(mirror) if mirror.lists() => mirror.bring_tree(folder),
            _ => Ok(()),
        }
    }

    /// Copies the files that a requirements file of a remote store refers to by relative names.
    pub(super) fn fetch_included(&self, path: &Path) -> Result<(), FileStoreError> {
        if self.mirror.is_none() || path.extension().is_none_or(|ending| ending != "txt" && ending != "in") {
            return Ok(());
        }
        let (mut open, mut seen) = (vec![path.to_owned()], BTreeSet::new());
        while let Some(path) = open.pop() {
            let text = std::fs::read_to_string(&path).unwrap_or_default();
            for name in requirements::named_files(&text) {
                let named = path.with_file_name(name);
                if seen.insert(named.clone()) && self.bring(&named)? {
                    open.push(named);
                }
            }
        }
        Ok(())
    }

    /// Whether the trees can be listed. A web server does not list them.
    pub fn lists(&self) -> bool {
        self.mirror.as_ref().is_none_or(|mirror| mirror.lists())
    }

    /// Finds a profile by name or path. `unit` is the cluster's unit, `beside` the folder of a profile that extends it.
    pub(super) fn profile(&self, name: &str, unit: Option<&str>, beside: Option<&Path>) -> Result<Text, NotFound> {
        let file = format!("{name}.toml");
        match self.locate(name, unit, beside)? {
            Some(path) => match self.read(&path) {
                // An untrusted file ends the search: a later file must not hide that someone placed it.
                Ok(text) => self.verify_text(&path, text),
                Err(error) => Err(NotFound {
                    message: format!("`{}` could not be read: {error}", self.shown(&path)),
                    causes: Vec::new(),
                    hint: if is_path(name) {
                        "check the path; a name without `/` and `.toml` is looked up in the file store".into()
                    } else {
                        "check the file's permissions".into()
                    },
                }),
            },
            None => builtin::file(&file)
                .map(|found| Text {
                    label: format!("built-in:{file}"),
                    folder: None,
                    identity: format!("built-in:{file}").into(),
                    bytes: found.text.as_bytes().to_vec(),
                })
                .ok_or_else(|| self.no_such_profile(name, unit)),
        }
    }

    /// The path of a profile's lock, which may not exist. The profile is requested by name or path. `None` for a
    /// profile that is not in the file store.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn lock_path(&self, name: &str, unit: Option<&str>) -> Result<Option<PathBuf>, Diagnostic> {
        let located = self.locate(name, unit, None);
        let located = located
            .map_err(|missing| Diagnostic::nowhere(missing.message).causes(missing.causes).hint(missing.hint))?;
        Ok(located.map(|path| path.with_extension("lock")))
    }

    /// The file of a profile, whether or not it is trusted. `None` if only the binary may have the profile.
    fn locate(&self, name: &str, unit: Option<&str>, beside: Option<&Path>) -> Result<Option<PathBuf>, NotFound> {
        if name.contains("://") || name.starts_with("dbfs:/") {
            let hint =
                "name the folder above the units' trees with `--filestore`, and the profile by its name".to_owned();
            return Err(NotFound {
                message: format!("`{name}`: profiles are not read over the network by their address"),
                causes: Vec::new(),
                hint,
            });
        }
        if is_path(name) {
            let path = beside.map_or_else(|| PathBuf::from(name), |folder| folder.join(name));
            self.bring(&path).map_err(|error| unread(&error))?;
            return Ok(Some(path));
        }
        // An unreadable folder ends the search, because it may contain the requested profile.
        for place in self.search(name, unit, beside) {
            let path = place.map_err(|error| unread(&error))?.join(format!("{name}.toml"));
            self.bring(&path).map_err(|error| unread(&error))?;
            let found = std::fs::metadata(&path).map_err(|error| error.kind());
            if !matches!(found, Err(std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory)) {
                return Ok(Some(path));
            }
        }
        Ok(None)
    }

    /// The trees of all units, by their folder names.
    ///
    /// # Errors
    /// If the file store cannot be listed.
    pub fn trees(&self) -> std::io::Result<Vec<(String, PathBuf)>> {
        let mut trees = Vec::new();
        for entry in std::fs::read_dir(&self.root)? {
            let path = entry?.path();
            let name = path.file_name().and_then(|name| name.to_str()).filter(|name| !name.starts_with('.'));
            if let (true, Some(name)) = (path.is_dir(), name) {
                trees.push((name.to_owned(), path));
            }
        }
        trees.sort();
        Ok(trees)
    }

    /// The folders that are searched for a profile, in order.
    fn search<'a>(
        &'a self,
        name: &'a str,
        unit: Option<&'a str>,
        beside: Option<&Path>,
    ) -> impl Iterator<Item = Result<PathBuf, FileStoreError>> + 'a {
        let trees = unit.into_iter().chain([name, ADMIN]).filter_map(|unit| self.find_tree(unit).transpose());
        let folders = trees.map(|tree| tree.map(|tree| tree.join(SCRIPTS)));
        beside.map(|folder| Ok(folder.to_owned())).into_iter().chain(folders)
    }

    /// The tree of a unit. Folder names match without case. For a remote store, its profiles are copied.
    pub(super) fn find_tree(&self, unit: &str) -> Result<Option<PathBuf>, FileStoreError> {
        let Some(mirror) = &self.mirror else { return self.tree(unit) };
        let tree = if mirror.lists() { self.tree(unit)? } else { self.unlisted_tree(mirror, unit)? };
        if let Some(tree) = &tree {
            mirror.bring_all(&tree.join(SCRIPTS), ".toml")?;
        }
        Ok(tree)
    }

    /// The tree of a unit on a server without listings: as written if its profile exists, else capitalised.
    fn unlisted_tree(&self, mirror: &Mirror, unit: &str) -> Result<Option<PathBuf>, FileStoreError> {
        let written = self.root.join(unit);
        if unit.is_empty() || unit.contains('/') {
            return Ok(None);
        }
        if unit == ADMIN {
            // Names that the agent itself adds to the search.
            mirror.bring(&written.join(SCRIPTS).join("access.toml"))?;
            return Ok(Some(written));
        }
        if mirror.bring(&written.join(SCRIPTS).join(format!("{}.toml", unit.to_ascii_lowercase())))? {
            return Ok(Some(written));
        }
        let (first, rest) = unit.split_at(unit.chars().next().map_or(0, char::len_utf8));
        Ok(Some(self.root.join(first.to_uppercase() + rest)))
    }

    /// The tree of a unit among the existing folders.
    ///
    /// # Errors
    /// If the folder of all trees cannot be searched. Its profiles and its access file may exist.
    pub(super) fn tree(&self, unit: &str) -> Result<Option<PathBuf>, FileStoreError> {
        let exact = self.root.join(unit);
        match std::fs::metadata(&exact) {
            Ok(found) if found.is_dir() => return Ok(Some(exact)),
            Err(source) if source.kind() == std::io::ErrorKind::PermissionDenied => {
                return Err(FileStoreError::Closed { what: self.label(), source });
            }
            _ => {}
        }
        let Ok(entries) = std::fs::read_dir(&self.root) else { return Ok(None) };
        let entries = entries.filter_map(Result::ok);
        let mut matching: Vec<_> = entries
            .map(|entry| entry.path())
            .filter(|path| path.file_name().is_some_and(|name| name.eq_ignore_ascii_case(unit)) && path.is_dir())
            .collect();
        matching.sort();
        Ok(matching.into_iter().next())
    }

    /// The folders that are searched for an asset, in order.
    pub(super) fn asset_places(
        &self,
        beside: Option<&Path>,
        unit: Option<&str>,
    ) -> Result<Vec<PathBuf>, FileStoreError> {
        let mut places: Vec<PathBuf> = beside.map(Path::to_owned).into_iter().collect();
        for unit in unit.into_iter().chain([ADMIN]) {
            if let Some(tree) = self.find_tree(unit)? {
                places.extend(asset_folders(&tree));
            }
        }
        Ok(places)
    }

    fn read(&self, path: &Path) -> std::io::Result<Text> {
        let bytes = self.read_text(path)?;
        let folder = path.parent().map(|folder| if folder.as_os_str().is_empty() { Path::new(".") } else { folder });
        let identity = std::fs::canonicalize(path)?;
        Ok(Text { label: self.shown(path), folder: folder.map(Path::to_owned), identity, bytes })
    }

    /// Reads the bytes of a text, which must be a regular file below the size limit.
    pub(super) fn read_text(&self, path: &Path) -> std::io::Result<Vec<u8>> {
        let bytes = read_bounded(path, MOST_TEXT)?;
        self.reads.note(path, &bytes);
        Ok(bytes)
    }

    /// Reads the bytes of any file. Under trusted keys it is read like a text.
    pub(super) fn read_bytes(&self, path: &Path) -> std::io::Result<Vec<u8>> {
        if self.trusted.is_on() {
            return self.read_text(path);
        }
        let bytes = std::fs::read(path)?;
        self.reads.note(path, &bytes);
        Ok(bytes)
    }

    fn no_such_profile(&self, name: &str, unit: Option<&str>) -> NotFound {
        let mut known: Vec<String> = builtin::profiles().map(str::to_owned).collect();
        let mut searched = Vec::new();
        for folder in self.search(name, unit, None).filter_map(Result::ok) {
            let entries = std::fs::read_dir(&folder).into_iter().flatten().filter_map(Result::ok);
            known.extend(
                entries.filter_map(|entry| entry.file_name().to_str()?.strip_suffix(".toml").map(str::to_owned)),
            );
            let folder = self.shown(&folder);
            if !searched.contains(&folder) {
                searched.push(folder);
            }
        }
        known.retain(|name| format!("{name}.toml") != ACCESS);
        known.sort();
        known.dedup();
        let nowhere = || format!("no tree below `{}`", self.label());
        let searched = if searched.is_empty() { nowhere() } else { format!("`{}`", searched.join("`, `")) };
        let mut causes = vec![format!("searched: {searched}, and the built-in profiles")];
        if unit.is_none() {
            causes.push("the unit of this node is not known, so that no unit's own folder was searched".to_owned());
        }
        // The profile may be in the tree of another unit.
        let elsewhere = self.trees().unwrap_or_default().into_iter().map(|(unit, tree)| (unit, tree.join(SCRIPTS)));
        let elsewhere = elsewhere.map(|(unit, folder)| (unit, folder.join(format!("{name}.toml"))));
        let elsewhere: Vec<(String, PathBuf)> = elsewhere.filter(|(_, path)| path.is_file()).collect();
        let list = known.join(", ");
        let hint = match (elsewhere.first(), nearest(name, known.iter().map(String::as_str))) {
            (Some((other, path)), _) => {
                let path = self.shown(path);
                format!(
                    "the unit {other} has one: name it by its path `{path}`, or check it with a `--cluster-name` of the unit"
                )
            }
            (None, Some(near)) => format!("did you mean `{near}`? known profiles: {list}"),
            (None, None) => format!("known profiles: {list}"),
        };
        NotFound { message: format!("there is no profile `{name}`"), causes, hint }
    }
}

/// Whether a profile is requested by path instead of by name.
pub fn is_path(name: &str) -> bool {
    name.contains('/') || Path::new(name).extension().is_some_and(|ending| ending == "toml")
}

fn unread(error: &FileStoreError) -> NotFound {
    NotFound { message: error.to_string(), causes: Vec::new(), hint: error.hint().unwrap_or_default() }
}

/// A path for messages. A path below the current folder has no leading `./`.
fn label(path: &Path) -> String {
    path.components().skip_while(|part| *part == Component::CurDir).collect::<PathBuf>().display().to_string()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::profile) fn store(files: &[(&str, &str)]) -> (tempfile::TempDir, FileStore) {
        let temp = tempfile::tempdir().expect("a temporary folder");
        for (name, text) in files {
            crate::fs::put(&temp.path().join(name), text);
        }
        let root = temp.path().to_owned();
        (temp, FileStore::local(root))
    }

    #[test]
    fn the_units_folder_comes_before_admin_and_the_binary() {
        let (_temp, store) =
            store(&[("Family/init_scripts/family.toml", "unit"), ("Admin/init_scripts/family.toml", "admin")]);
        assert_eq!(store.profile("family", None, None).expect("found").bytes, b"unit");
    }

    #[test]
    fn the_clusters_unit_is_searched_first() {
        let (_temp, store) =
            store(&[("FAMILY/init_scripts/nightly.toml", "unit"), ("Admin/init_scripts/nightly.toml", "admin")]);
        assert_eq!(store.profile("nightly", Some("family"), None).expect("found").bytes, b"unit");
        assert_eq!(store.profile("nightly", None, None).expect("found").bytes, b"admin");
    }

    #[test]
    fn the_binary_is_the_last_resort() {
        let (_temp, store) = store(&[]);
        assert_eq!(store.profile("starter", None, None).expect("built in").label, "built-in:starter.toml");
    }

    #[test]
    fn a_profile_is_a_regular_file_with_a_limit() {
        let (temp, store) = store(&[("x.toml", "")]);
        let large = std::fs::File::create(temp.path().join("large.toml")).expect("created");
        large.set_len(MOST_TEXT + 1).expect("a sparse file");
        for (name, reason) in [("/dev/zero", "it is not a regular file"), ("./large.toml", "it has more than")] {
            let error = store.profile(name, None, Some(temp.path())).expect_err("refused");
            assert!(error.message.contains(reason), "{error:?}");
        }
    }

    #[test]
    fn an_unknown_profile_names_the_nearest() {
        let (_temp, store) = store(&[]);
        let error = store.profile("famly", None, None).expect_err("a slip");
        assert!(error.hint.contains("did you mean `family`"), "{error:?}");
    }
}
