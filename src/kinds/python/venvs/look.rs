//! The state of the virtual environments, read from their files.

use std::{
    collections::BTreeMap,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use nix::unistd::Uid;

use super::{
    base::{Base, BaseSearch},
    checked::Venv,
    made_with::MadeWith,
};
use crate::{facts::PythonEnv, inventory::below, profile::Entry};

/// The state of an environment of the profile.
#[derive(Debug)]
pub(in crate::kinds::python) struct VenvLook {
    /// The folder.
    pub(super) state: FolderState,
    /// The interpreter that it is made with.
    pub(super) base: Option<Base>,
    /// Whether the profile names no interpreter.
    pub(super) is_default: bool,
    /// Whether the profile names the path of another interpreter than the one that made the environment.
    pub(super) is_of_other: bool,
}

/// The state of a folder.
#[derive(Debug)]
pub(super) enum FolderState {
    /// It does not exist, or it is empty.
    Empty,
    /// It has files, and is not a virtual environment.
    Other,
    /// It, or a folder above it, belongs to another user than root, whose id this is.
    Foreign(u32),
    /// It is the environment of `[pip]`.
    MainEnvironment,
    /// It is a virtual environment without a usable interpreter.
    Broken,
    /// It is a virtual environment.
    Venv(PythonEnv),
}

impl VenvLook {
    /// The minor version of the interpreter that the environment is made with.
    pub(super) fn base_version(&self) -> Option<u32> {
        self.base.as_ref()?.minor
    }

    /// The minor version of the default interpreter, if the environment is made with it.
    pub(in crate::kinds::python) fn default_version(&self) -> Option<u32> {
        self.base_version().filter(|_| self.is_default)
    }

    /// The environment as on a fresh node.
    pub(in crate::kinds::python) fn as_shipped(&mut self) {
        self.state = FolderState::Empty;
    }
}

/// Reads the environments below a root. `main` is the interpreter of `[pip]`. `recorded` has the interpreters that
/// environments were made with.
pub(in crate::kinds::python) fn look(
    venvs: &BTreeMap<PathBuf, Entry<Venv>>,
    main: &Path,
    root: &Path,
    recorded: &BTreeMap<PathBuf, PathBuf>,
) -> BTreeMap<PathBuf, VenvLook> {
    let read = |(folder, entry): (&PathBuf, &Entry<Venv>)| {
        let venv = &entry.value;
        let (search, state) = (venv.search(main), state(root, folder, main));
        let (base, is_default) = (search.find(root), venv.python.is_none());
        let recorded = recorded.get(folder).map(PathBuf::as_path);
        let is_of_other = matches!(state, FolderState::Venv(_))
            && search.path().is_some_and(|wanted| MadeWith { root, folder, wanted, recorded }.is_other());
        let look = VenvLook { state, base, is_default, is_of_other };
        (folder.clone(), look)
    };
    venvs.iter().map(read).collect()
}

impl Venv {
    /// How the interpreter that it is made with is found.
    pub(super) fn search(&self, main: &Path) -> BaseSearch {
        let wanted = self.python.as_ref().map(|python| python.value.clone());
        BaseSearch { wanted, default: main.to_owned() }
    }
}

/// Reads the state of a folder.
pub(super) fn state(root: &Path, folder: &Path, main: &Path) -> FolderState {
    let of_pip = below(root, main).parent().and_then(Path::parent).and_then(|prefix| prefix.canonicalize().ok());
    let folder = below(root, folder);
    if of_pip.is_some() && folder.canonicalize().ok() == of_pip {
        return FolderState::MainEnvironment;
    }
    if let Some(uid) = foreign_owner(root, &folder) {
        return FolderState::Foreign(uid);
    }
    if folder.join("pyvenv.cfg").is_file() {
        return PythonEnv::read(&Venv::interpreter(&folder)).map_or(FolderState::Broken, FolderState::Venv);
    }
    let is_empty = match std::fs::read_dir(&folder) {
        Ok(mut entries) => entries.next().is_none(),
        Err(_) => folder.symlink_metadata().is_err(),
    };
    if is_empty { FolderState::Empty } else { FolderState::Other }
}

/// The user who owns a folder, or a folder or link above it, below the root. `None` if root and the user of this
/// process own all of them. Another user could exchange the interpreter, which runs as root.
fn foreign_owner(root: &Path, folder: &Path) -> Option<u32> {
    let is_foreign = |uid: &u32| *uid != 0 && *uid != Uid::effective().as_raw();
    let paths = folder.ancestors().take_while(|path| *path != root && path.starts_with(root));
    let owners = paths.flat_map(|path| [path.symlink_metadata().ok(), path.metadata().ok()]);
    owners.flatten().map(|found| found.uid()).find(is_foreign)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fs::put;

    #[test]
    fn an_environment_that_another_user_can_exchange_is_not_used() {
        if !Uid::effective().is_root() {
            return;
        }
        let temp = tempfile::tempdir().expect("a temporary folder");
        put(&temp.path().join("home/ann/venv/pyvenv.cfg"), "home = /usr/bin\nversion = 3.11.2\n");
        let state = || state(temp.path(), Path::new("/home/ann/venv"), Path::new("/opt/main/bin/python"));
        assert!(matches!(state(), FolderState::Broken));
        std::os::unix::fs::chown(temp.path().join("home/ann"), Some(1234), None).expect("root may");
        assert!(matches!(state(), FolderState::Foreign(1234)));
    }

    #[test]
    fn the_state_of_a_folder_is_read_from_its_files() {
        let temp = tempfile::tempdir().expect("a temporary folder");
        let write = |path: &str| put(&temp.path().join(path), "home = /usr/bin\nversion = 3.11.2\n");
        let state = |folder: &str| state(temp.path(), Path::new(folder), Path::new("/opt/main/bin/python"));
        assert!(matches!(state("/opt/x"), FolderState::Empty));
        write("opt/x/file");
        assert!(matches!(state("/opt/x"), FolderState::Other));
        write("opt/y/pyvenv.cfg");
        assert!(matches!(state("/opt/y"), FolderState::Broken), "it has no interpreter");
        write("opt/y/bin/python");
        write("opt/y/lib/python3.11/site-packages/x.py");
        assert!(matches!(state("/opt/y"), FolderState::Venv(env) if env.version.1 == 11));
        write("opt/main/bin/python");
        std::os::unix::fs::symlink("main", temp.path().join("opt/z")).expect("linked");
        assert!(matches!(state("/opt/z"), FolderState::MainEnvironment));
        std::os::unix::fs::symlink("nowhere", temp.path().join("opt/dangling")).expect("linked");
        assert!(matches!(state("/opt/dangling"), FolderState::Other));
    }
}
