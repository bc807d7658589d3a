//! Looks up programs on the search path.

use std::path::{Path, PathBuf};

use super::search_path::{is_protected, search_path};

/// The path of a program. It is looked up in the folders in which only root and the user of this process can write, and
/// only they can change the program. `None` if there is none.
pub fn find_program(name: &str) -> Option<PathBuf> {
    which::which_in_global(name, Some(search_path())).ok()?.find(|program| is_safe(program))
}

/// Whether only root and the user of this process can change a program, also by an exchange of a link on the way to it.
fn is_safe(program: &Path) -> bool {
    const MAX_LINKS: usize = 40;
    let mut path = program.to_owned();
    for _ in 0..MAX_LINKS {
        if !path.parent().is_some_and(is_protected) {
            return false;
        }
        match std::fs::read_link(&path) {
            // An absolute target replaces the folder.
            Ok(target) => path = path.parent().unwrap_or(Path::new("/")).join(target),
            Err(_) => return is_protected(&path),
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_on_the_search_path_is_found() {
        assert!(find_program("sh").is_some_and(|path| path.is_absolute()));
        assert_eq!(find_program("no-such-program"), None);
    }
}
