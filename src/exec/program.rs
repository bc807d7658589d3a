//! Looks up programs on the search path.

use std::path::PathBuf;

use super::inherited::{is_protected, search_path};

/// The path of a program. It is looked up in the folders in which only root and the user of this process can write, and
/// only they can change the program. `None` if there is none.
pub fn find_program(name: &str) -> Option<PathBuf> {
    which::which_in_global(name, Some(search_path())).ok()?.find(|program| is_protected(program))
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
