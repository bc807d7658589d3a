//! Packs folders and files into reproducible tar archives: equal content gives equal archives.

use std::{
    collections::BTreeSet,
    fs::{File, Metadata},
    io::{self, Write},
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use tar::{Builder, EntryType, Header};

use super::{FsError, walk};

/// Packs a folder, under its own name, with one modification time for all entries. Entries are sorted; permissions are
/// kept; owners are zero. Entries other than files, folders and links are an error. Returns the writer.
pub fn pack<W: Write>(folder: &Path, seconds: u64, to: W) -> Result<W, FsError> {
    let failed = || FsError::new(folder, "packed");
    let name = folder.file_name().ok_or_else(|| failed()(io::ErrorKind::InvalidInput.into()))?;
    let mut archive = Builder::new(to);
    for entry in walk(folder) {
        let entry = entry.map_err(failed())?;
        let below = entry.path().strip_prefix(folder).unwrap_or(Path::new(""));
        one(&mut archive, entry.path(), &Path::new(name).join(below), Some(seconds))?;
    }
    archive.into_inner().map_err(failed())
}

/// Packs files, links and folders (without their content) by their names below a folder, and the folders above them.
/// Modification times are kept, because byte code is valid only for the time of its source. Returns the writer and the
/// number of entries.
pub fn pack_some<W: Write>(below: &Path, names: &[PathBuf], to: W) -> Result<(W, u64), FsError> {
    let mut archive = Builder::new(to);
    let mut packed = BTreeSet::new();
    for name in names {
        let on_the_way: Vec<&Path> = name.ancestors().filter(|part| !part.as_os_str().is_empty()).collect();
        for part in on_the_way.into_iter().rev() {
            if packed.insert(part) {
                one(&mut archive, &below.join(part), part, None)?;
            }
        }
    }
    let to = archive.into_inner().map_err(FsError::new(below, "packed"))?;
    Ok((to, packed.len() as u64))
}

/// Packs one file, link or folder, with the given modification time or its own.
fn one(archive: &mut Builder<impl Write>, path: &Path, name: &Path, seconds: Option<u64>) -> Result<(), FsError> {
    let failed = || FsError::new(path, "packed");
    let found = path.symlink_metadata().map_err(failed())?;
    let mut header = header(&found, seconds.unwrap_or_else(|| found.mtime().try_into().unwrap_or_default()));
    if found.is_file() {
        let file = File::open(path).map_err(failed())?;
        header.set_size(found.len());
        archive.append_data(&mut header, name, file).map_err(failed())?;
    } else if found.is_symlink() {
        header.set_entry_type(EntryType::Symlink);
        let target = std::fs::read_link(path).map_err(failed())?;
        archive.append_link(&mut header, name, target).map_err(failed())?;
    } else if found.is_dir() {
        header.set_entry_type(EntryType::Directory);
        archive.append_data(&mut header, name, io::empty()).map_err(failed())?;
    } else {
        return Err(failed()(io::Error::other("it is neither a file nor a folder nor a link")));
    }
    Ok(())
}

fn header(found: &Metadata, seconds: u64) -> Header {
    let mut header = Header::new_gnu();
    // The default is the type of old tar files, which R does not unpack.
    header.set_entry_type(EntryType::Regular);
    header.set_size(0);
    header.set_mode(found.permissions().mode() & 0o777);
    header.set_mtime(seconds);
    header.set_uid(0);
    header.set_gid(0);
    header
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fs::{Attributes, replace, unpack};

    fn folder(at: &Path) -> PathBuf {
        let folder = at.join("a");
        replace(&folder.join("z/last"), b"z", Attributes::mode(0o600)).expect("written");
        replace(&folder.join("run"), &[7; 3000], Attributes::mode(0o755)).expect("written");
        let long = format!("{}/{}", "x".repeat(90), "y".repeat(90));
        replace(&folder.join(long), b"long", Attributes::mode(0o644)).expect("written");
        std::os::unix::fs::symlink("../run", folder.join("z/link")).expect("made");
        folder
    }

    fn listing(folder: &Path) -> Vec<String> {
        let entries = walk(folder).skip(1).map(|entry| entry.expect("readable").into_path());
        let line = |path: PathBuf| {
            let found = path.symlink_metadata().expect("there");
            let content = if found.is_file() { std::fs::read(&path).expect("readable") } else { Vec::new() };
            let link = std::fs::read_link(&path).unwrap_or_default();
            let (name, mode) = (path.strip_prefix(folder).expect("below"), found.permissions().mode());
            format!("{} {mode:o} {} {content:?}", name.display(), link.display())
        };
        entries.map(line).collect()
    }

    #[test]
    fn a_packed_folder_is_equal_after_unpacking() {
        let temp = tempfile::tempdir().expect("a temporary folder");
        let folder = folder(temp.path());
        let bytes = pack(&folder, 5, Vec::new()).expect("packed");
        let into = temp.path().join("b");
        unpack(&bytes[..], &into).expect("unpacked");
        let (before, after) = (listing(&folder), listing(&into.join("a")));
        assert_eq!((before.len(), before), (6, after));
    }

    #[test]
    fn equal_folders_give_equal_archives_regardless_of_time_and_owner() {
        let (one, two) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
        let (first, second) = (folder(one.path()), folder(two.path()));
        let old = std::fs::FileTimes::new().set_modified(std::time::SystemTime::UNIX_EPOCH);
        File::open(second.join("run")).and_then(|file| file.set_times(old)).expect("set");
        let packed = |folder: &Path| pack(folder, 5, Vec::new()).expect("packed");
        assert_eq!(packed(&first), packed(&second));
        replace(&second.join("run"), b"other", Attributes::default()).expect("written");
        assert_ne!(packed(&first), packed(&second));
    }

    #[test]
    fn selected_files_are_packed_with_their_folders_and_times() {
        let temp = tempfile::tempdir().expect("a temporary folder");
        folder(temp.path());
        let old = std::fs::FileTimes::new().set_modified(std::time::UNIX_EPOCH + std::time::Duration::from_secs(7));
        File::open(temp.path().join("a/z/last")).and_then(|file| file.set_times(old)).expect("set");
        let names = ["a/z/last", "a/z/link"].map(PathBuf::from);
        let (bytes, entries) = pack_some(temp.path(), &names, Vec::new()).expect("packed");
        assert_eq!(entries, 4);
        let into = temp.path().join("b");
        unpack(&bytes[..], &into).expect("unpacked");
        let after = listing(&into);
        let names: Vec<&str> = after.iter().filter_map(|line| line.split(' ').next()).collect();
        assert_eq!(names, ["a", "a/z", "a/z/last", "a/z/link"]);
        assert_eq!(into.join("a/z/last").metadata().expect("there").mtime(), 7);
    }

    #[test]
    fn special_files_are_not_packed() {
        let temp = tempfile::tempdir().expect("a temporary folder");
        let folder = folder(temp.path());
        nix::unistd::mkfifo(&folder.join("pipe"), nix::sys::stat::Mode::S_IRWXU).expect("made");
        assert!(pack(&folder, 5, Vec::new()).is_err());
    }
}
