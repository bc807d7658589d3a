//! The interpreter that a virtual environment is made with.

use std::path::{Path, PathBuf};

use crate::{exec::find_program, facts::PythonEnv, fs::is_writable_only_by_root, inventory::below};

/// The interpreter that a profile names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BasePython {
    /// Its absolute path on the node.
    Path(PathBuf),
    /// The minor version of Python 3.
    Version(u32),
}

impl BasePython {
    /// As in the profile.
    pub(super) fn label(&self) -> String {
        match self {
            Self::Path(path) => path.display().to_string(),
            Self::Version(minor) => format!("3.{minor}"),
        }
    }
}

/// How the interpreter is found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseSearch {
    /// The interpreter that the profile names.
    pub(super) wanted: Option<BasePython>,
    /// The interpreter of `[pip]`, which is the default.
    pub(super) default: PathBuf,
}

/// An interpreter of the node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Base {
    /// Its path below the root.
    pub(super) interpreter: PathBuf,
    /// Its minor version, if its files tell.
    pub(super) minor: Option<u32>,
}

impl BaseSearch {
    /// The interpreter below a root. `None` if the node does not have it.
    pub(super) fn find(&self, root: &Path) -> Option<Base> {
        let interpreter = match &self.wanted {
            Some(BasePython::Path(path)) => Some(below(root, path)).filter(|path| path.is_file()),
            Some(BasePython::Version(minor)) => on_path(root, &format!("python3.{minor}")),
            None => Some(below(root, &self.default)).filter(|path| path.is_file()).or_else(|| on_path(root, "python3")),
        }?;
        let minor = match self.wanted {
            Some(BasePython::Version(minor)) => Some(minor),
            Some(BasePython::Path(_)) | None => PythonEnv::locate(&interpreter).map(|(minor, _)| minor),
        };
        Some(Base { interpreter, minor })
    }

    /// The minor version that the profile names.
    pub(super) fn version(&self) -> Option<u32> {
        match self.wanted {
            Some(BasePython::Version(minor)) => Some(minor),
            Some(BasePython::Path(_)) | None => None,
        }
    }

    /// The path that the profile names.
    pub(super) fn path(&self) -> Option<&Path> {
        match &self.wanted {
            Some(BasePython::Path(path)) => Some(path),
            Some(BasePython::Version(_)) | None => None,
        }
    }

    /// The reason why there is no interpreter.
    pub(super) fn missing(&self) -> String {
        match &self.wanted {
            Some(BasePython::Path(path)) => format!("there is no Python interpreter at `{}`", path.display()),
            Some(BasePython::Version(minor)) => format!("there is no `python3.{minor}` on this node"),
            None => format!("there is no Python interpreter at `{}`, and no `python3`", self.default.display()),
        }
    }
}

/// A program of the node: in the usual folders, or on the search path.
fn on_path(root: &Path, name: &str) -> Option<PathBuf> {
    let usual = ["usr/local/bin", "usr/bin"].map(|folder| root.join(folder).join(name));
    let is_real = |path: &PathBuf| path.is_file() && is_writable_only_by_root(root, path);
    usual.into_iter().find(is_real).or_else(|| find_program(name).filter(|_| root == Path::new("/")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fs::put;

    #[test]
    fn the_interpreter_is_the_named_one_or_that_of_pip_or_that_of_the_node() {
        let temp = tempfile::tempdir().expect("a temporary folder");
        let find = |wanted: Option<BasePython>| {
            let search = BaseSearch { wanted, default: "/databricks/python/bin/python".into() };
            let found = search.find(temp.path())?;
            Some((found.interpreter.strip_prefix(temp.path()).expect("below").to_owned(), found.minor))
        };
        assert_eq!(find(None), None);
        put(&temp.path().join("usr/bin/python3"), "");
        assert_eq!(find(None), Some(("usr/bin/python3".into(), None)));
        put(&temp.path().join("databricks/python/bin/python"), "");
        put(&temp.path().join("databricks/python/lib/python3.11/site-packages/x"), "");
        assert_eq!(find(None), Some(("databricks/python/bin/python".into(), Some(11))));
        assert_eq!(find(Some(BasePython::Version(12))), None);
        put(&temp.path().join("usr/local/bin/python3.12"), "");
        assert_eq!(find(Some(BasePython::Version(12))), Some(("usr/local/bin/python3.12".into(), Some(12))));
        assert_eq!(find(Some(BasePython::Path("/opt/py/bin/python3".into()))), None);
    }
}
