//! The folders in which programs are looked up, and the environment with them.

use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
    path::{Path, PathBuf},
    sync::OnceLock,
};

use super::inherited::{all_inherited, inherited};
use crate::fs::is_writable_only_by_root;

/// The search path of programs, as a Debian login of root has it.
const SEARCH_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The variables that programs get, with the search path in `PATH`. Those that are not UTF-8 are left out.
pub fn environment() -> BTreeMap<String, String> {
    let text = |(name, value): (OsString, OsString)| Some((name.into_string().ok()?, value.into_string().ok()?));
    all_inherited().chain([("PATH".into(), search_path().to_owned())]).filter_map(text).collect()
}

/// The folders in which programs are looked up: those in which only root and the user of this process can write.
pub(super) fn search_path() -> &'static OsStr {
    /// Never the empty path: to programs, it means the working directory.
    const NOWHERE: &str = "/nonexistent";
    static PATH: OnceLock<OsString> = OnceLock::new();
    PATH.get_or_init(|| {
        let path = inherited("PATH").unwrap_or_else(|| SEARCH_PATH.into());
        let mut folders: Vec<PathBuf> = Vec::new();
        for folder in std::env::split_paths(&path).filter(|folder| folder.is_absolute()) {
            // The folder of a link, because its owner could exchange the link.
            if let Ok(folder) = folder.canonicalize()
                && is_protected(&folder)
                && !folders.contains(&folder)
            {
                folders.push(folder);
            }
        }
        let joined = std::env::join_paths(folders).ok().filter(|joined| !joined.is_empty());
        joined.unwrap_or_else(|| NOWHERE.into())
    })
}

/// Whether only root and the user of this process can change a program or a folder of programs.
pub(super) fn is_protected(path: &Path) -> bool {
    is_writable_only_by_root(Path::new("/"), path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_folders_of_programs_are_searched() {
        let found: Vec<_> = std::env::split_paths(search_path()).collect();
        assert!(found.contains(&"/usr/bin".into()), "{found:?}");
    }
}
