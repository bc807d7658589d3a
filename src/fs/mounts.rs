//! Determines whether paths can be renamed into each other: they must be on the same mount. The device number does not
//! tell, because two mounts of one file system share it.

use std::{
    ffi::OsStr,
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

/// Whether two folders are on the same mount; `false` if this is unknown. For a missing folder, the nearest existing
/// parent counts.
pub fn on_same_mount(one: &Path, other: &Path) -> bool {
    let Ok(mounts) = std::fs::read("/proc/self/mountinfo") else { return false };
    let mounts = points(&mounts);
    let mount = |path: &Path| {
        let there = path.ancestors().find_map(|above| above.canonicalize().ok())?;
        // A later mount hides an earlier one at the same mount point.
        mounts
            .iter()
            .enumerate()
            .filter(|(_, point)| there.starts_with(point))
            .max_by_key(|(at, point)| (point.components().count(), *at))
    };
    matches!((mount(one), mount(other)), (Some((one, _)), Some((other, _))) if one == other)
}

/// Whether something is mounted at the path.
pub fn is_mount_point(path: &Path) -> bool {
    let mounts = std::fs::read("/proc/self/mountinfo").unwrap_or_default();
    path.canonicalize().is_ok_and(|path| points(&mounts).contains(&path))
}

/// A mount.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Mount {
    /// The folder or file at which it is mounted.
    pub point: PathBuf,
    /// The type of its file system.
    pub kind: String,
    /// The source: a device, a bucket, a word.
    pub source: String,
    /// The part of the file system that is mounted.
    pub part: String,
}

/// The mounts that this process sees. A later mount hides an earlier one at the same point. `root` is the root of the
/// node's file system.
pub fn mounts(root: &Path) -> Vec<Mount> {
    let mountinfo = std::fs::read(root.join("proc/self/mountinfo")).unwrap_or_default();
    mountinfo.split(|byte| *byte == b'\n').filter_map(mount).collect()
}

/// The mount of a line of a `mountinfo` file. A hyphen ends the optional fields.
fn mount(line: &[u8]) -> Option<Mount> {
    let fields: Vec<&[u8]> = line.split(|byte| *byte == b' ').collect();
    let end = fields.iter().skip(6).position(|field| *field == b"-")? + 6;
    let text = |index: usize| Some(unescaped(fields.get(index)?).display().to_string());
    Some(Mount { point: unescaped(fields[4]), kind: text(end + 1)?, source: text(end + 2)?, part: text(3)? })
}

/// The mount points of a `mountinfo` file (see the manual page `proc_pid_mountinfo`): the fifth field, with special
/// characters as octal escapes such as `\040`.
fn points(mountinfo: &[u8]) -> Vec<PathBuf> {
    let lines = mountinfo.split(|byte| *byte == b'\n');
    lines.filter_map(|line| line.split(|byte| *byte == b' ').nth(4)).map(unescaped).collect()
}

/// The text of a field of `mountinfo`, `/proc/swaps` or fstab.
pub fn unescaped(field: &[u8]) -> PathBuf {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((&first, after)) = rest.split_first() {
        let escaped = after.get(..3).filter(|_| first == b'\\').and_then(|digits| std::str::from_utf8(digits).ok());
        if let Some(byte) = escaped.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            bytes.push(byte);
            rest = &after[3..];
        } else {
            bytes.push(first);
            rest = after;
        }
    }
    PathBuf::from(OsStr::from_bytes(&bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mount_points_are_the_fifth_field_with_octal_escapes() {
        let text = b"22 28 0:21 / /proc rw - proc proc rw\n36 35 98:0 /mnt1 /a\\040b rw,noatime master:1 - ext3 /dev/root rw\n";
        assert_eq!(points(text), [PathBuf::from("/proc"), PathBuf::from("/a b")]);
    }

    #[test]
    fn a_mount_is_read_after_its_optional_fields() {
        let line = b"36 35 98:0 /part /a\\040b rw,noatime master:1 shared:2 - fuse.gcsfuse models-bucket rw,user_id=0";
        let expected = Mount {
            point: "/a b".into(),
            kind: "fuse.gcsfuse".into(),
            source: "models-bucket".into(),
            part: "/part".into(),
        };
        assert_eq!(mount(line), Some(expected));
        assert_eq!((mount(b""), mount(b"36 35 98:0 / /a rw - ext4")), (None, None));
    }

    #[test]
    fn a_folder_is_on_the_same_mount_as_itself_but_not_as_proc() {
        let temp = tempfile::tempdir().expect("a temporary folder");
        assert!(on_same_mount(temp.path(), &temp.path().join("not/there/yet")));
        assert!(!on_same_mount(temp.path(), Path::new("/proc/self")));
        assert!(is_mount_point(Path::new("/proc")) && !is_mount_point(temp.path()));
    }
}
