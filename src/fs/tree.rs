//! A folder that other users may write to. Names below it are reached without following any link, and only regular
//! files are opened.

use std::{
    ffi::OsStr,
    fs::File,
    io,
    os::fd::AsFd as _,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use nix::{
    errno::Errno,
    fcntl::{AtFlags, OFlag, openat, renameat},
    sys::{
        stat::{FileStat, Mode, UtimensatFlags, fchmod, fstat, utimensat},
        time::TimeSpec,
    },
    unistd::{UnlinkatFlags, linkat, unlinkat},
};

use super::{
    error::{FsError, is_unsupported},
    folder::{self, Folder, is_regular},
    node_path,
    partial::{PartialFile, unique},
};

/// A folder that may be shared with other users. Names in it are relative paths without `..`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tree {
    root: PathBuf,
    own: bool,
}

/// A regular file, open for reading.
#[derive(Debug)]
pub struct OpenFile {
    /// The file.
    pub file: File,
    /// Its size when it was opened.
    pub size: u64,
    /// When it was last changed or used.
    pub modified: SystemTime,
}

/// An entry of a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FolderEntry {
    /// The last component of its name.
    pub name: String,
    /// Whether it is a folder. A link to a folder is not.
    pub is_folder: bool,
    /// Whether it is a regular file.
    pub is_file: bool,
    /// Its size.
    pub size: u64,
    /// When it was last changed or used.
    pub modified: SystemTime,
}

impl Tree {
    /// A folder of this node. It is created if it is missing.
    pub fn own(root: PathBuf) -> Self {
        Self { root, own: true }
    }

    /// A folder that other nodes or users also write to, on any file system. It must exist. Operations that its file
    /// system does not support (permissions, fsync) are skipped.
    pub fn shared(root: PathBuf) -> Self {
        Self { root, own: false }
    }

    /// The path of the folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The path of a name.
    pub fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// Opens a regular file for reading; `None` if it does not exist.
    pub fn open(&self, name: &str) -> Result<Option<OpenFile>, FsError> {
        let failed = self.failed(name, "read");
        let Some((folder, last)) = self.folder_of(name, false)? else { return Ok(None) };
        match folder.stat(last).map_err(&failed)? {
            None => return Ok(None),
            Some(found) if !is_regular(&found) => return Err(failed(Errno::EINVAL)),
            Some(_) => {}
        }
        let file = match folder.open(last) {
            Err(Errno::ENOENT) => return Ok(None),
            opened => opened.map_err(&failed)?,
        };
        let found = fstat(file.as_fd()).map_err(&failed)?;
        // The file may have been replaced since `stat`.
        if !is_regular(&found) {
            return Err(failed(Errno::EINVAL));
        }
        Ok(Some(OpenFile { file, size: size(&found), modified: modified(&found) }))
    }

    /// Starts to write a file. Its commit replaces an existing file.
    pub fn create(&self, name: &str) -> Result<PartialFile, FsError> {
        let failed = self.failed(name, "written");
        let (folder, last) = self.made_folder(name)?;
        let partial = PartialFile::begin(&self.path(name), folder, last.into(), !self.own)?;
        self.tolerated(fchmod(partial.file.as_fd(), Mode::from_bits_truncate(0o644))).map_err(failed)?;
        Ok(partial)
    }

    /// Writes a small file in one write, unless the name exists. Returns whether it was written. If the write fails, a
    /// partial file may remain.
    pub fn create_new(&self, name: &str, bytes: &[u8]) -> Result<bool, FsError> {
        use std::io::Write as _;
        let failed = self.failed(name, "written");
        let (folder, last) = self.made_folder(name)?;
        let flags = OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_WRONLY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        match openat(folder.fd(), last, flags, Mode::from_bits_truncate(0o644)) {
            Err(Errno::EEXIST) => Ok(false),
            opened => {
                let mut file = File::from(opened.map_err(failed)?);
                file.write_all(bytes).map_err(FsError::new(&self.path(name), "written"))?;
                Ok(true)
            }
        }
    }

    /// Creates a hard link here to a file elsewhere on the same file system, unless the name exists. Returns whether it
    /// was created.
    pub fn link_from(&self, from: &Path, name: &str) -> Result<bool, FsError> {
        let (there, last_there) = node_path::resolve_existing(from)?;
        let (folder, last) = self.made_folder(name)?;
        match linkat(there.fd(), last_there.as_os_str(), folder.fd(), last, AtFlags::empty()) {
            Ok(()) => Ok(true),
            Err(Errno::EEXIST) => Ok(false),
            Err(error) => Err(self.failed(name, "written")(error)),
        }
    }

    /// Creates a hard link elsewhere on the same file system to a file here. An existing file is replaced.
    pub fn link_to(&self, name: &str, to: &Path) -> Result<(), FsError> {
        let failed = |error: Errno| FsError::new(to, "written")(error.into());
        let Some((folder, last)) = self.folder_of(name, false)? else { return Err(failed(Errno::ENOENT)) };
        let (there, last_there) = node_path::resolve(to)?;
        let temporary = PathBuf::from(format!(".{}.{}.nodeagent", Path::new(&last_there).display(), unique()));
        linkat(folder.fd(), last, there.fd(), &temporary, AtFlags::empty()).map_err(failed)?;
        let renamed = renameat(there.fd(), &temporary, there.fd(), last_there.as_os_str());
        // Renaming does nothing if both names already refer to the same file. Remove the temporary name.
        let _ = unlinkat(there.fd(), &temporary, UnlinkatFlags::NoRemoveDir);
        renamed.map_err(failed)
    }

    /// Removes a file. A missing file is not an error.
    pub fn remove(&self, name: &str) -> Result<(), FsError> {
        let Some((folder, last)) = self.folder_of(name, false)? else { return Ok(()) };
        match unlinkat(folder.fd(), last, UnlinkatFlags::NoRemoveDir) {
            Ok(()) | Err(Errno::ENOENT) => Ok(()),
            Err(error) => Err(self.failed(name, "removed")(error)),
        }
    }

    /// Sets the time of a file to now, to record its use. Errors are ignored.
    pub fn touch(&self, name: &str) {
        if let Ok(Some((folder, last))) = self.folder_of(name, false) {
            let now = TimeSpec::UTIME_NOW;
            let _ = utimensat(folder.fd(), last, &now, &now, UtimensatFlags::NoFollowSymlink);
        }
    }

    /// The entries of a folder, sorted by name. Empty if the folder is missing. Names that are not UTF-8 are skipped.
    pub fn list(&self, folder: &str) -> Result<Vec<FolderEntry>, FsError> {
        let failed = self.failed(folder, "read");
        let Some(folder) = self.folder(Path::new(folder), false)? else { return Ok(Vec::new()) };
        let mut listed = Vec::new();
        for name in folder.names().map_err(&failed)? {
            let Ok(name) = name.into_string() else { continue };
            // The entry was removed in the meantime.
            let Some(found) = folder.stat(OsStr::new(&name)).map_err(&failed)? else { continue };
            listed.push(FolderEntry {
                name,
                is_folder: folder::is_folder(&found),
                is_file: is_regular(&found),
                size: size(&found),
                modified: modified(&found),
            });
        }
        listed.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(listed)
    }

    /// The folder that contains a name, and the last component of the name. `None` if it is missing and not made.
    fn folder_of<'a>(&self, name: &'a str, make: bool) -> Result<Option<(Folder, &'a OsStr)>, FsError> {
        let invalid = || self.failed(name, "opened")(Errno::EINVAL);
        let last = Path::new(name).file_name().ok_or_else(invalid)?;
        let above = Path::new(name).parent().unwrap_or(Path::new(""));
        Ok(self.folder(above, make)?.map(|folder| (folder, last)))
    }

    /// A folder below the root. `None` if it is missing and not made.
    fn folder(&self, below: &Path, make: bool) -> Result<Option<Folder>, FsError> {
        let root = match node_path::open_existing(&self.root) {
            Err(FsError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound && !make => return Ok(None),
            Err(FsError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound && self.own => {
                node_path::open_or_create(&self.root, 0o755)?
            }
            opened => opened?,
        };
        let opened = if make { root.make_below(below, 0o755) } else { root.open_below(below) };
        match opened {
            Err(Errno::ENOENT) if !make => Ok(None),
            opened => opened.map(Some).map_err(|error| FsError::new(&self.root.join(below), "opened")(error.into())),
        }
    }

    fn made_folder<'a>(&self, name: &'a str) -> Result<(Folder, &'a OsStr), FsError> {
        self.folder_of(name, true)?.ok_or_else(|| self.failed(name, "written")(Errno::ENOENT))
    }

    fn failed(&self, name: &str, verb: &'static str) -> impl Fn(Errno) -> FsError + use<> {
        let path = self.path(name);
        move |error| {
            let source = match error {
                Errno::EINVAL if verb == "read" => io::Error::other("it is not a regular file"),
                Errno::ELOOP => io::Error::other("the path contains a symbolic link"),
                error => error.into(),
            };
            FsError::new(&path, verb)(source)
        }
    }

    fn tolerated(&self, result: Result<(), Errno>) -> Result<(), Errno> {
        match result {
            Err(error) if !self.own && is_unsupported(&error.into()) => Ok(()),
            result => result,
        }
    }
}

fn size(found: &FileStat) -> u64 {
    u64::try_from(found.st_size).unwrap_or_default()
}

fn modified(found: &FileStat) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(u64::try_from(found.st_mtime).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{MetadataExt as _, symlink};

    use super::*;

    fn tree() -> (tempfile::TempDir, Tree) {
        let temp = tempfile::tempdir().expect("a temporary folder");
        let tree = Tree::shared(temp.path().join("place"));
        std::fs::create_dir(tree.root()).expect("created");
        (temp, tree)
    }

    fn put(tree: &Tree, name: &str, bytes: &[u8]) -> Result<(), FsError> {
        let mut partial = tree.create(name)?;
        partial.write(bytes)?;
        partial.commit()
    }

    fn content(tree: &Tree, name: &str) -> Option<String> {
        let mut opened = tree.open(name).expect("it can be looked at")?;
        let mut text = String::new();
        std::io::Read::read_to_string(&mut opened.file, &mut text).expect("text");
        Some(text)
    }

    #[test]
    fn complete_files_appear_below_the_folder() {
        let (_temp, tree) = tree();
        put(&tree, "a/b/x", b"one").expect("written");
        put(&tree, "a/b/x", b"two").expect("replaced");
        assert_eq!(content(&tree, "a/b/x").as_deref(), Some("two"));
        assert_eq!(content(&tree, "a/b/y"), None);
        assert_eq!(content(&tree, "c/y"), None);
        let names: Vec<String> = tree.list("a/b").expect("listed").into_iter().map(|found| found.name).collect();
        assert_eq!(names, ["x"]);
    }

    #[test]
    fn no_link_is_followed_regardless_of_its_owner() {
        let (temp, tree) = tree();
        let outside = temp.path().join("outside");
        std::fs::create_dir(&outside).expect("created");
        std::fs::create_dir(tree.path("a")).expect("created");
        symlink(&outside, tree.path("a/b")).expect("linked");
        assert!(put(&tree, "a/b/x", b"evil").is_err());
        assert!(tree.list("a/b").is_err() && tree.open("a/b/x").is_err() && tree.remove("a/b/x").is_err());
        assert!(std::fs::read_dir(&outside).expect("there").next().is_none(), "nothing was written through the link");
        symlink("/etc/passwd", tree.path("a/passwd")).expect("linked");
        assert!(tree.open("a/passwd").is_err(), "a link is not a regular file");
        assert!(!tree.create_new("a/passwd", b"x").expect("looked"), "a link has the name");
        put(&tree, "a/passwd", b"mine").expect("the link itself is replaced");
        assert_eq!(content(&tree, "a/passwd").as_deref(), Some("mine"));
    }

    #[test]
    fn only_regular_files_are_opened() {
        let (_temp, tree) = tree();
        nix::unistd::mkfifo(&tree.path("pipe"), Mode::S_IRUSR).expect("made");
        let error = tree.open("pipe").expect_err("a pipe would never end");
        assert_eq!(std::error::Error::source(&error).expect("a cause").to_string(), "it is not a regular file");
    }

    #[test]
    fn names_cannot_escape_the_folder() {
        let (_temp, tree) = tree();
        for name in ["../x", "a/../../x", "/etc/x", ".."] {
            assert!(tree.create(name).is_err() || tree.open(name).is_err(), "{name}");
            assert!(put(&tree, name, b"").is_err(), "{name}");
        }
    }

    #[test]
    fn hard_links_share_the_content() {
        let (temp, tree) = tree();
        let (from, to) = (temp.path().join("from"), temp.path().join("new/to"));
        super::super::replace(&from, b"x", super::super::Attributes::mode(0o600)).expect("written");
        assert!(tree.link_from(&from, "a/x").expect("linked"));
        assert!(!tree.link_from(&from, "a/x").expect("something is there"));
        tree.link_to("a/x", &to).expect("linked");
        tree.link_to("a/x", &to).expect("linked again");
        assert_eq!(to.metadata().expect("there").ino(), from.metadata().expect("there").ino());
        assert_eq!(
            std::fs::read_dir(to.parent().expect("a folder")).expect("there").count(),
            1,
            "no other name is left"
        );
    }

    #[test]
    fn a_missing_shared_folder_is_not_created() {
        let temp = tempfile::tempdir().expect("a temporary folder");
        let tree = Tree::shared(temp.path().join("place"));
        assert!(put(&tree, "a/x", b"").is_err() && !tree.root().exists());
        put(&Tree::own(temp.path().join("place")), "a/x", b"").expect("our own is made");
    }
}
