//! Looks up programs on the search path.

use std::path::PathBuf;

use super::inherited::search_path;

/// The path of a program. It is looked up in the folders in which only root and the user of this process can write.
/// `None` if none of them has an executable file of this name.
pub fn find_program(name: &str) -> Option<PathBuf> {
    which::which_in_global(name, Some(search_path())).ok()?.next()
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
