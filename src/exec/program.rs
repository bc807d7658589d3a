//! Looks up programs on the search path.

use std::path::PathBuf;

/// The path of a program in the folders of `PATH`. `None` if no folder has an executable file of this name.
pub fn find_program(name: &str) -> Option<PathBuf> {
    which::which_global(name).ok()
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
