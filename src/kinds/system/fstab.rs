//! The lines of `/etc/fstab`: fstab(5). A mount has a block of its own. The line of a swap file stays for ever.

use std::{
    fmt::Write as _,
    path::{Path, PathBuf},
};

use super::checked::Mount;
use crate::{
    fs::{self, Attributes, FsError, unescaped},
    inventory::below,
    managed_block::{ManagedBlock, Position},
    problem::Problem,
};

/// The file.
pub(super) const FILE: &str = "/etc/fstab";

/// The line of a mount.
pub(super) fn line_of_mount(point: &Path, mount: &Mount) -> String {
    let Mount { what, kind, options } = mount;
    format!("{} {} {kind} {} 0 0", escaped(what), escaped(&point.display().to_string()), escaped(options))
}

/// The line of a swap file.
pub(super) fn line_of_swap(file: &Path) -> String {
    format!("{} none swap sw 0 0", escaped(&file.display().to_string()))
}

/// The block of a mount.
pub(super) fn block(profile: &str, point: &Path) -> ManagedBlock {
    ManagedBlock::of_profile(&format!("{profile} {}", point.display()), Position::End)
}

/// Whether a swap file has a line.
pub(super) fn has_swap(text: &[u8], file: &Path) -> bool {
    fields(text).any(|fields| unescaped(fields[0]) == file && fields[2] == b"swap")
}

/// Whether the text mounts something at a folder.
pub(super) fn has_mount(text: &[u8], point: &Path) -> bool {
    fields(text).any(|fields| unescaped(fields[1]) == point)
}

/// The file below a root.
pub(super) fn path(root: &Path) -> PathBuf {
    below(root, Path::new(FILE))
}

/// The text of the file. Empty if there is none.
pub(super) fn read(root: &Path) -> Result<Vec<u8>, FsError> {
    Ok(fs::read(&path(root))?.and_then(|found| found.bytes).unwrap_or_default())
}

/// Replaces the text by another one if they differ.
pub(super) fn change(root: &Path, edit: impl FnOnce(&[u8]) -> Result<Vec<u8>, Problem>) -> Result<(), Problem> {
    let before = read(root)?;
    let after = edit(&before)?;
    if before != after {
        fs::replace(&path(root), &after, Attributes::default())?;
    }
    Ok(())
}

/// The problem of a block with one mark.
pub(super) fn unpaired() -> Problem {
    Problem::new(format!("`{FILE}` has only one of the two marker lines of nodeagent"))
        .hint("remove the marker line that is left".to_owned())
}

/// The first three fields of each entry.
fn fields(text: &[u8]) -> impl Iterator<Item = [&[u8]; 3]> {
    text.split(|&byte| byte == b'\n').filter_map(|line| {
        let is_space = |byte: &u8| matches!(byte, b' ' | b'\t');
        let mut fields = line.split(is_space).filter(|field| !field.is_empty());
        let fields = [fields.next()?, fields.next()?, fields.next()?];
        (!fields[0].starts_with(b"#")).then_some(fields)
    })
}

/// A field with octal escapes.
fn escaped(field: &str) -> String {
    let mut text = String::new();
    for c in field.chars() {
        match c {
            ' ' | '\t' | '\\' | '#' => drop(write!(text, "\\{:03o}", u32::from(c))),
            c => text.push(c),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &[u8] =
        b"# /mnt/c none swap\n/dev/sda1\t/ ext4 defaults 0 1\n/swap\\040file none swap sw 0 0\n\nx /mnt/a";

    #[test]
    fn lines_are_escaped_and_found_again() {
        let mount = Mount { what: "#a b".into(), kind: "nfs".into(), options: "ro,x=\\".into() };
        let line = line_of_mount(Path::new("/mnt/a b"), &mount);
        assert_eq!(line, r"\043a\040b /mnt/a\040b nfs ro,x=\134 0 0");
        assert!(has_mount(line.as_bytes(), Path::new("/mnt/a b")));
        assert!(has_swap(line_of_swap(Path::new("/a b")).as_bytes(), Path::new("/a b")));
    }

    #[test]
    fn comments_and_incomplete_lines_do_not_count() {
        assert!(has_swap(TEXT, Path::new("/swap file")) && has_mount(TEXT, Path::new("/")));
        assert!(!has_mount(TEXT, Path::new("/mnt/a")) && !has_mount(TEXT, Path::new("/mnt/c")));
        assert!(!has_swap(TEXT, Path::new("/dev/sda1")));
    }
}
