//! Compares the mounts of the kernel with those of a profile.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use super::{checked::Mount, fstab, permission};
use crate::{
    fs::{self, FsError, PathType},
    inventory::below,
    kinds::contract::LookAt,
    profile::Entry,
    state::MountRecord,
};

/// The state of the node.
#[derive(Debug)]
pub(super) struct Look {
    /// The mount at each folder.
    pub(super) mounted: BTreeMap<PathBuf, fs::Mount>,
    /// The folders without a mount.
    pub(super) folders: BTreeMap<PathBuf, Folder>,
    /// The text of fstab.
    pub(super) fstab: Result<Vec<u8>, FsError>,
    /// Whether nodeagent may mount.
    pub(super) is_admin: bool,
    /// The devices that `what` means, for labels and links.
    pub(super) devices: BTreeMap<String, PathBuf>,
}

/// A folder at which nothing is mounted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Folder {
    /// It does not exist.
    Absent,
    /// It is empty.
    Empty,
    /// It has content.
    Full,
    /// It is not a folder, or cannot be read.
    Other,
}

pub(super) fn look(mounts: &BTreeMap<PathBuf, Entry<Mount>>, at: &LookAt<'_>) -> Look {
    let (mut mounted, mut folders) = (BTreeMap::new(), BTreeMap::new());
    for point in mounts.keys() {
        match mounted_at(at.root, point) {
            Some(found) => drop(mounted.insert(point.clone(), found)),
            // A folder of a server that does not answer is not opened.
            None => drop(folders.insert(point.clone(), folder(at.root, point))),
        }
    }
    let devices = mounts.values().filter_map(|entry| {
        let what = &entry.value.what;
        Some((what.clone(), device(at.root, what)?))
    });
    Look {
        mounted,
        folders,
        fstab: if mounts.is_empty() { Ok(Vec::new()) } else { fstab::read(at.root) },
        is_admin: !mounts.is_empty() && permission::is_admin(at.root),
        devices: devices.collect(),
    }
}

/// The uppermost mount at a folder.
pub(super) fn mounted_at(root: &Path, point: &Path) -> Option<fs::Mount> {
    fs::mounts(root).into_iter().rfind(|mount| mount.point == point)
}

/// A folder at which nothing is mounted.
pub(super) fn folder(root: &Path, point: &Path) -> Folder {
    let path = below(root, point);
    match fs::look_at(&path).map(|found| found.map(|found| found.kind)) {
        Ok(None) => Folder::Absent,
        Ok(Some(PathType::Folder)) => match std::fs::read_dir(&path).map(|mut entries| entries.next().is_some()) {
            Ok(false) => Folder::Empty,
            Ok(true) => Folder::Full,
            Err(_) => Folder::Other,
        },
        Ok(Some(PathType::File | PathType::Link(_) | PathType::Other)) | Err(_) => Folder::Other,
    }
}

/// The device that a label or a link in `/dev` means.
pub(super) fn device(root: &Path, what: &str) -> Option<PathBuf> {
    let labels = [
        ("UUID=", "/dev/disk/by-uuid"),
        ("LABEL=", "/dev/disk/by-label"),
        ("PARTUUID=", "/dev/disk/by-partuuid"),
        ("PARTLABEL=", "/dev/disk/by-partlabel"),
    ];
    let of_label = |(prefix, folder): &(&str, &str)| Some(Path::new(folder).join(what.strip_prefix(prefix)?));
    let link = labels.iter().find_map(of_label).or_else(|| what.starts_with("/dev/").then(|| PathBuf::from(what)))?;
    let found = below(root, &link).canonicalize().ok()?;
    Some(Path::new("/").join(found.strip_prefix(root.canonicalize().ok()?).ok()?))
}

/// Whether a mount is the one that the profile wants. `line` is the wanted line of fstab.
pub(super) fn is_wanted(
    found: &fs::Mount,
    wanted: &Mount,
    device: Option<&Path>,
    line: &str,
    record: Option<&MountRecord>,
) -> bool {
    if record.is_some_and(|record| record.line != line) {
        return false;
    }
    is_recorded(found, record) || is_same(found, wanted, device)
}

/// Whether a mount is the one that nodeagent made.
pub(super) fn is_recorded(found: &fs::Mount, record: Option<&MountRecord>) -> bool {
    let of_run = record.filter(|record| record.is_ours);
    of_run.is_some_and(|record| record.seen.as_ref().is_none_or(|seen| seen == found))
}

fn is_same(found: &fs::Mount, wanted: &Mount, device: Option<&Path>) -> bool {
    let kinds = [wanted.kind.clone(), format!("fuse.{}", wanted.kind), format!("{}4", wanted.kind)];
    let is_kind = wanted.kind == "auto" || found.kind == "fuse" || kinds.contains(&found.kind);
    is_kind && (found.source == wanted.what || device.is_some_and(|device| Path::new(&found.source) == device))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(kind: &str, source: &str) -> fs::Mount {
        fs::Mount { point: "/mnt/x".into(), kind: kind.into(), source: source.into(), part: "/".into() }
    }

    fn wanted(kind: &str, what: &str) -> Mount {
        Mount { what: what.into(), kind: kind.into(), options: "defaults".into() }
    }

    #[test]
    fn a_mount_is_known_by_its_type_and_source() {
        for (kind, source, wanted_kind, what) in [
            ("ext4", "/dev/sdb1", "ext4", "/dev/sdb1"),
            ("ext4", "/dev/sdb1", "auto", "/dev/sdb1"),
            ("fuse.gcsfuse", "models-bucket", "gcsfuse", "models-bucket"),
            ("nfs4", "server:/x", "nfs", "server:/x"),
        ] {
            assert!(is_wanted(&found(kind, source), &wanted(wanted_kind, what), None, "line", None), "{kind}");
        }
        assert!(!is_wanted(&found("ext4", "/dev/sdc1"), &wanted("ext4", "/dev/sdb1"), None, "line", None));
        assert!(!is_wanted(&found("xfs", "/dev/sdb1"), &wanted("ext4", "/dev/sdb1"), None, "line", None));
        let device = Some(Path::new("/dev/sdb1"));
        assert!(is_wanted(&found("ext4", "/dev/sdb1"), &wanted("ext4", "UUID=7"), device, "line", None));
    }

    #[test]
    fn a_mount_of_nodeagent_is_known_by_its_record() {
        let bind = found("ext4", "/dev/sda1");
        let record = |line: &str, seen| MountRecord { line: line.into(), seen, is_ours: true, created_folder: false };
        let is_wanted = |record: &MountRecord| is_wanted(&bind, &wanted("none", "/opt/x"), None, "line", Some(record));
        assert!(is_wanted(&record("line", Some(bind.clone()))) && is_wanted(&record("line", None)));
        assert!(!is_wanted(&record("other line", Some(bind.clone()))), "the profile has changed");
        assert!(!is_wanted(&record("line", Some(found("tmpfs", "x")))), "something else is mounted");
        assert!(!is_wanted(&MountRecord { is_ours: false, ..record("line", Some(bind.clone())) }));
    }

    #[test]
    fn labels_are_links_to_devices() {
        let temp = tempfile::tempdir().expect("a temporary folder");
        crate::fs::put(&temp.path().join("dev/sdb1"), "");
        crate::fs::make_link(&temp.path().join("dev/disk/by-uuid/7-a"), Path::new("../../sdb1"), None).expect("made");
        assert_eq!(device(temp.path(), "UUID=7-a"), Some("/dev/sdb1".into()));
        assert_eq!(device(temp.path(), "/dev/disk/by-uuid/7-a"), Some("/dev/sdb1".into()));
        assert_eq!((device(temp.path(), "UUID=8"), device(temp.path(), "bucket")), (None, None));
    }
}
