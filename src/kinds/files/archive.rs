//! The archive of an entry with `unpack`, and the files of it that the entry selects.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use glob::{MatchOptions, Pattern};

use crate::{
    diagnostic::nearest,
    fs::{ArchiveKind, ArchiveName, check_names},
    problem::Problem,
    profile::{AssetRef, quoted},
};

/// `*` does not match `/`, as in a shell.
const MATCHING: MatchOptions =
    MatchOptions { case_sensitive: true, require_literal_separator: true, require_literal_leading_dot: false };

/// The archive of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Archive {
    /// The file.
    pub from: AssetRef,
    /// The selected files.
    pub selection: Selection,
}

/// The files of an archive that an entry selects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selection {
    /// The number of leading folders that are removed from the paths.
    pub strip: usize,
    /// Names and globs, for paths without the leading folders. Empty for all files.
    pub pick: Vec<Pattern>,
    /// Whether the path of the entry is that of one file, not of a folder.
    pub is_file: bool,
}

/// A file, folder or link of an archive, and its path below the folder of the entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Selected {
    /// Its path in the archive.
    pub(super) from: PathBuf,
    /// Its path in the folder. Empty for the path of an entry that is one file.
    pub(super) to: PathBuf,
    pub(super) kind: ArchiveKind,
}

impl Selection {
    /// The paths that are selected, a folder before its content.
    ///
    /// # Errors
    /// If a name matches nothing, or the selection is empty or not one file.
    pub(super) fn of(&self, names: &[ArchiveName]) -> Result<Vec<Selected>, Problem> {
        let stripped: Vec<Selected> = names.iter().filter_map(|name| self.stripped(name)).collect();
        let selected: Vec<Selected> = stripped.iter().filter(|path| self.is_picked(&path.to)).cloned().collect();
        let matches = |pattern: &Pattern| stripped.iter().any(|path| is_at_or_above(pattern, &path.to));
        if let Some(pattern) = self.pick.iter().find(|pattern| !matches(pattern)) {
            let all: BTreeSet<String> = stripped.iter().map(|path| path.to.display().to_string()).collect();
            let near = nearest(pattern.as_str(), all.iter().map(String::as_str));
            let hint = near
                .map_or_else(|| format!("the archive has {}", some_of(&all)), |near| format!("did you mean `{near}`?"));
            return Err(Problem::new(format!("the archive has no `{pattern}`")).hint(hint));
        }
        if selected.is_empty() {
            let message = match self.strip {
                0 => "the archive is empty".to_owned(),
                strip => format!("the archive has nothing below {strip} leading folders"),
            };
            return Err(Problem::new(message).hint((self.strip > 0).then(|| "make `strip` smaller".to_owned())));
        }
        check_names(selected.iter().map(|path| (path.to.as_path(), &path.kind))).map_err(|why| {
            Problem::from_error(&why).hint((self.strip > 0).then(|| "make `strip` smaller".to_owned()))
        })?;
        if self.is_file { one_file(selected).map(|file| vec![file]) } else { Ok(selected) }
    }

    /// The value of `unpack` for `check --show`.
    pub(super) fn shown(&self) -> String {
        let strip = (self.strip > 0).then(|| format!("strip = {}", self.strip));
        let pick: Vec<String> = self.pick.iter().map(|pattern| quoted(pattern.as_str())).collect();
        let pick = (!pick.is_empty()).then(|| format!("pick = [{}]", pick.join(", ")));
        let parts: Vec<String> = strip.into_iter().chain(pick).collect();
        if parts.is_empty() { "true".to_owned() } else { format!("{{ {} }}", parts.join(", ")) }
    }

    fn stripped(&self, name: &ArchiveName) -> Option<Selected> {
        let to: PathBuf = name.path.components().skip(self.strip).collect();
        let is_left = !to.as_os_str().is_empty();
        is_left.then(|| Selected { from: name.path.clone(), to, kind: name.kind.clone() })
    }

    fn is_picked(&self, path: &Path) -> bool {
        self.pick.is_empty() || self.pick.iter().any(|pattern| is_at_or_above(pattern, path))
    }
}

/// Whether a pattern matches a path or a folder above it: a folder is selected with its content.
fn is_at_or_above(pattern: &Pattern, path: &Path) -> bool {
    path.ancestors().any(|path| !path.as_os_str().is_empty() && pattern.matches_path_with(path, MATCHING))
}

fn one_file(selected: Vec<Selected>) -> Result<Selected, Problem> {
    let mut files: Vec<Selected> = selected.into_iter().filter(|path| path.kind != ArchiveKind::Folder).collect();
    match (files.pop(), files.len()) {
        (Some(Selected { kind: ArchiveKind::Link(target), .. }), 0) => {
            let message = format!("`pick` selects a link to `{}`, not a file", target.display());
            Err(Problem::new(message).hint("name the file itself".to_owned()))
        }
        (Some(file), 0) => Ok(Selected { to: PathBuf::new(), ..file }),
        (None, _) => {
            let hint = "end the path of the entry with `/` to unpack the folder".to_owned();
            Err(Problem::new("`pick` selects a folder, and the path of the entry is that of a file").hint(hint))
        }
        (Some(_), others) => {
            let message = format!("`pick` selects {} files, and the path of the entry is that of one", others + 1);
            Err(Problem::new(message).hint("end the path of the entry with `/`, or name one file".to_owned()))
        }
    }
}

/// Some names for a message.
fn some_of(all: &BTreeSet<String>) -> String {
    const MOST: usize = 5;
    let shown: Vec<String> = all.iter().take(MOST).map(|name| format!("`{name}`")).collect();
    let more = if all.len() > MOST { format!(" and {} more paths", all.len() - MOST) } else { String::new() };
    format!("{}{more}", shown.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn selection(strip: usize, pick: &[&str], is_file: bool) -> Selection {
        let pick = pick.iter().map(|text| Pattern::new(text).expect("a glob")).collect();
        Selection { strip, pick, is_file }
    }

    fn names() -> Vec<ArchiveName> {
        let name = |path: &str, is_folder| {
            let kind = if is_folder { ArchiveKind::Folder } else { ArchiveKind::File };
            ArchiveName { path: path.into(), kind }
        };
        vec![
            name("tool-1.0", true),
            name("tool-1.0/README", false),
            name("tool-1.0/bin", true),
            name("tool-1.0/bin/tool", false),
            name("tool-1.0/bin/more/helper", false),
        ]
    }

    fn paths(selection: &Selection) -> Vec<String> {
        let selected = selection.of(&names()).expect("a selection");
        selected.iter().map(|path| path.to.display().to_string()).collect()
    }

    #[test]
    fn leading_folders_are_removed_and_folders_are_selected_with_their_content() {
        assert_eq!(paths(&selection(0, &[], false)).len(), 5);
        assert_eq!(paths(&selection(1, &[], false)), ["README", "bin", "bin/tool", "bin/more/helper"]);
        assert_eq!(paths(&selection(2, &[], false)), ["tool", "more/helper"]);
        assert_eq!(paths(&selection(1, &["bin"], false)), ["bin", "bin/tool", "bin/more/helper"]);
        assert_eq!(paths(&selection(1, &["bin/*"], false)), ["bin/tool", "bin/more/helper"]);
        assert_eq!(paths(&selection(1, &["*"], false)).len(), 4);
        assert_eq!(paths(&selection(0, &["*/README"], false)), ["tool-1.0/README"]);
    }

    #[test]
    fn one_file_gets_the_path_of_the_entry() {
        let selected = selection(1, &["bin/tool"], true).of(&names()).expect("one file");
        let expected = Selected { from: "tool-1.0/bin/tool".into(), to: PathBuf::new(), kind: ArchiveKind::File };
        assert_eq!(selected, [expected]);
    }

    #[test]
    fn a_selection_that_cannot_be_is_a_problem() {
        let message = |selection: &Selection| {
            let problem = selection.of(&names()).expect_err("a problem");
            format!("{}; {}", problem.message, problem.hint.unwrap_or_default())
        };
        assert_eq!(
            message(&selection(1, &["bin/tol"], true)),
            "the archive has no `bin/tol`; did you mean `bin/tool`?"
        );
        assert!(message(&selection(1, &["lib"], false)).contains("the archive has `README`, `bin`"));
        assert!(message(&selection(9, &[], false)).starts_with("the archive has nothing below 9 leading folders"));
        assert!(message(&selection(1, &["bin"], true)).starts_with("`pick` selects 2 files"));
    }

    #[test]
    fn a_selection_must_not_leave_the_folder_or_meet_itself() {
        let file = |path: &str| ArchiveName { path: path.into(), kind: ArchiveKind::File };
        let link = |path: &str, target: &str| ArchiveName { path: path.into(), kind: ArchiveKind::Link(target.into()) };
        let message =
            |names: &[ArchiveName], selection: &Selection| selection.of(names).expect_err("a problem").message;
        let all = selection(1, &[], false);
        assert!(message(&[file("a/x"), file("b/x")], &all).contains("twice"));
        assert!(message(&[file("a/x/y"), link("b/x", "z")], &all).contains("below one of its links"));
        assert!(message(&[link("a/b/x", "../../c")], &selection(2, &[], false)).contains("outside its folder"));
        let shadow = [link("a/b/c/helm", "../../../etc/shadow")];
        let one = selection(0, &["*/*/*/helm"], true);
        assert!(message(&shadow, &one).contains("a link to `../../../etc/shadow`"));
        assert!(all.of(&[link("a/x", "y"), file("a/y")]).is_ok());
    }
}
