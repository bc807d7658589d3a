//! The interpreter that an existing virtual environment was made with.

use std::path::{Path, PathBuf};

use super::checked::Venv;
use crate::inventory::below;

/// An existing environment, and the interpreter that the profile names by its path.
pub(super) struct MadeWith<'a> {
    /// The root of the node's file system.
    pub(super) root: &'a Path,
    /// The folder of the environment, as an absolute path on the node.
    pub(super) folder: &'a Path,
    /// The path that the profile names.
    pub(super) wanted: &'a Path,
    /// The path that the profile named when nodeagent made the environment.
    pub(super) recorded: Option<&'a Path>,
}

impl MadeWith<'_> {
    /// Whether the environment was made with another interpreter. Two paths of one file are the same interpreter.
    pub(super) fn is_other(&self) -> bool {
        // The named program may be a script that starts the interpreter, so its file says nothing.
        if self.recorded == Some(self.wanted) {
            return false;
        }
        let Ok(wanted) = below(self.root, self.wanted).canonicalize() else { return true };
        let folder = below(self.root, self.folder);
        let Ok(own) = Venv::interpreter(&folder).canonicalize() else { return false };
        if own == wanted {
            return false;
        }
        let is_copy = folder.canonicalize().is_ok_and(|folder| own.starts_with(folder));
        if !is_copy {
            return true;
        }
        match self.home() {
            Some(home) => wanted.parent() != Some(home.as_path()),
            None => self.recorded.is_some(),
        }
    }

    /// The folder of the interpreter, by `pyvenv.cfg` (PEP 405).
    fn home(&self) -> Option<PathBuf> {
        let text = std::fs::read_to_string(below(self.root, self.folder).join("pyvenv.cfg")).ok()?;
        let mut lines = text.lines().filter_map(|line| line.split_once('='));
        let (_, home) = lines.find(|(key, _)| key.trim() == "home")?;
        below(self.root, Path::new(home.trim())).canonicalize().ok()
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::fs::{create_dirs, put};

    #[test]
    fn the_interpreter_of_an_environment_is_found_by_its_record_its_link_or_its_home() {
        let temp = tempfile::tempdir().expect("a temporary folder");
        let root = temp.path();
        for path in ["usr/bin/python3.11", "opt/other/bin/python3.11", "opt/copy/bin/python"] {
            put(&root.join(path), "");
        }
        put(&root.join("opt/copy/pyvenv.cfg"), "home = /usr/bin\nversion = 3.11.2\n");
        symlink("python3.11", root.join("usr/bin/python3")).expect("linked");
        create_dirs(&root.join("opt/linked/bin"), 0o755).expect("created");
        symlink("../../../usr/bin/python3", root.join("opt/linked/bin/python")).expect("linked");
        let is_other = |folder: &str, wanted: &str, recorded: Option<&str>| {
            let (folder, wanted, recorded) = (Path::new(folder), Path::new(wanted), recorded.map(Path::new));
            MadeWith { root, folder, wanted, recorded }.is_other()
        };
        for folder in ["/opt/linked", "/opt/copy"] {
            for same in ["/usr/bin/python3", "/usr/bin/python3.11"] {
                assert!(!is_other(folder, same, None), "{folder} {same}");
                assert!(!is_other(folder, same, Some("/opt/other/bin/python3.11")), "{folder} {same}");
            }
            assert!(is_other(folder, "/opt/other/bin/python3.11", None), "{folder}");
            assert!(is_other(folder, "/opt/other/bin/python3.11", Some("/usr/bin/python3")), "{folder}");
            assert!(!is_other(folder, "/opt/other/bin/python3.11", Some("/opt/other/bin/python3.11")), "{folder}");
            assert!(is_other(folder, "/opt/absent/bin/python3", None), "{folder}");
        }
    }
}
