//! A folder and everything below it, in memory.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    ffi::{OsStr, OsString},
    fs,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink},
    path::{Component, Path, PathBuf},
    time::{Duration, SystemTime},
};

use nodeagent::digest::Digest;

/// The number of a file, folder or link. 0 is the top folder.
pub(super) type Inode = usize;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    File,
    Folder,
    Link(PathBuf),
}

#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) kind: Kind,
    pub(super) mode: u32,
    /// `None` is the present.
    pub(super) modified: Option<SystemTime>,
    pub(super) content: Vec<u8>,
    pub(super) entries: BTreeMap<OsString, Inode>,
}

impl Node {
    pub(super) fn new(kind: Kind, mode: u32) -> Self {
        Self { kind, mode, modified: None, content: Vec::new(), entries: BTreeMap::new() }
    }
}

#[derive(Debug, Clone)]
pub(super) struct Disk {
    pub(super) nodes: Vec<Node>,
}

impl Disk {
    pub(super) fn empty() -> Self {
        Self { nodes: vec![Node::new(Kind::Folder, 0o755)] }
    }

    /// Reads a folder.
    pub(super) fn read(top: &Path) -> Self {
        let mut disk = Self { nodes: Vec::new() };
        disk.add(top, &mut BTreeMap::new());
        disk
    }

    fn add(&mut self, path: &Path, known: &mut BTreeMap<u64, Inode>) -> Inode {
        let found = path.symlink_metadata().expect("it is there");
        let inode = self.nodes.len();
        if found.is_file() {
            match known.entry(found.ino()) {
                Entry::Occupied(known) => return *known.get(),
                Entry::Vacant(new) => new.insert(inode),
            };
        }
        let kind = match found.file_type() {
            kind if kind.is_dir() => Kind::Folder,
            kind if kind.is_symlink() => Kind::Link(fs::read_link(path).expect("a link")),
            _ => Kind::File,
        };
        let mut node = Node::new(kind.clone(), found.mode() & 0o7777);
        node.modified = found.modified().ok();
        if kind == Kind::File {
            node.content = fs::read(path).expect("readable");
        }
        self.nodes.push(node);
        if kind == Kind::Folder {
            for entry in fs::read_dir(path).expect("readable").map(|entry| entry.expect("readable")) {
                let inner = self.add(&entry.path(), known);
                self.nodes[inode].entries.insert(entry.file_name(), inner);
            }
        }
        inode
    }

    /// Sets all times to yesterday, so that nothing counts as made by the run that is recorded.
    pub(super) fn age(&mut self) {
        let yesterday = SystemTime::now() - Duration::from_secs(24 * 3600);
        self.nodes.iter_mut().for_each(|node| node.modified = Some(yesterday));
    }

    /// Writes the tree into a folder, in the place of its content.
    pub(super) fn write(&self, top: &Path) {
        for entry in fs::read_dir(top).expect("a folder").map(|entry| entry.expect("readable")) {
            let path = entry.path();
            if entry.file_type().expect("known").is_dir() {
                fs::remove_dir_all(path).expect("removed");
            } else {
                fs::remove_file(path).expect("removed");
            }
        }
        self.write_folder(0, top, &mut BTreeMap::new());
    }

    #[expect(clippy::disallowed_methods, reason = "a test prepares its files without the code under test")]
    fn write_folder(&self, folder: Inode, folder_path: &Path, written: &mut BTreeMap<Inode, PathBuf>) {
        for (name, &inode) in &self.nodes[folder].entries {
            let (node, path) = (&self.nodes[inode], folder_path.join(name));
            match &node.kind {
                Kind::Link(target) => symlink(target, &path).expect("linked"),
                Kind::Folder => {
                    fs::create_dir(&path).expect("made");
                    self.write_folder(inode, &path, written);
                    fs::set_permissions(&path, fs::Permissions::from_mode(node.mode)).expect("set");
                }
                Kind::File => {
                    if let Some(other) = written.get(&inode) {
                        fs::hard_link(other, &path).expect("linked");
                        continue;
                    }
                    fs::write(&path, &node.content).expect("written");
                    fs::set_permissions(&path, fs::Permissions::from_mode(node.mode)).expect("set");
                    set_time(&path, node.modified);
                    written.insert(inode, path);
                }
            }
        }
        set_time(folder_path, self.nodes[folder].modified);
    }

    /// A digest of everything that can be reached from the top, without times.
    pub(super) fn digest(&self) -> String {
        Digest::sha256(self.listing().concat().as_bytes()).hex().to_owned()
    }

    /// A line for each path that can be reached from the top.
    pub(super) fn listing(&self) -> Vec<String> {
        let mut lines = Vec::new();
        self.describe(0, Path::new(""), &mut lines);
        lines
    }

    fn describe(&self, folder: Inode, path: &Path, lines: &mut Vec<String>) {
        for (name, &inode) in &self.nodes[folder].entries {
            let (node, path) = (&self.nodes[inode], path.join(name));
            let content = Digest::sha256(&node.content);
            lines.push(format!("{} {:o} {:?} {}\n", path.display(), node.mode, node.kind, &content.hex()[..16]));
            self.describe(inode, &path, lines);
        }
    }

    /// The inode at a path below a folder. Links on the path are followed, unless they leave the tree or are last.
    pub(super) fn find(&self, from: Inode, path: &Path) -> Option<Inode> {
        let mut above = vec![from];
        let mut parts = path.components().peekable();
        while let Some(part) = parts.next() {
            let folder = *above.last()?;
            match part {
                Component::Normal(name) => {
                    let inode = *self.nodes[folder].entries.get(name)?;
                    let target = match &self.nodes[inode].kind {
                        Kind::Link(target) if target.is_relative() => Some(target),
                        _ => None,
                    };
                    match target {
                        Some(target) if parts.peek().is_some() => above.push(self.find(folder, target)?),
                        _ => above.push(inode),
                    }
                }
                Component::ParentDir => {
                    above.pop();
                    if above.is_empty() {
                        above.push(self.parent(folder)?);
                    }
                }
                Component::CurDir => {}
                Component::RootDir | Component::Prefix(_) => return None,
            }
        }
        above.last().copied()
    }

    fn parent(&self, folder: Inode) -> Option<Inode> {
        self.nodes.iter().position(|node| node.entries.values().any(|&inode| inode == folder))
    }

    /// The content of the file at a path.
    pub(super) fn content(&self, path: &str) -> Option<&[u8]> {
        self.find(0, Path::new(path)).map(|inode| self.nodes[inode].content.as_slice())
    }

    pub(super) fn enter(&mut self, folder: Inode, name: &OsStr, inode: Inode) {
        self.nodes[folder].entries.insert(name.to_owned(), inode);
    }

    /// Removes a name if it is a name of the inode.
    pub(super) fn leave(&mut self, folder: Inode, name: &OsStr, inode: Inode) {
        if self.nodes[folder].entries.get(name) == Some(&inode) {
            self.nodes[folder].entries.remove(name);
        }
    }

    /// Removes all names of a folder, which has one at most.
    pub(super) fn detach(&mut self, inode: Inode) {
        for node in &mut self.nodes {
            node.entries.retain(|_, other| *other != inode);
        }
    }
}

fn set_time(path: &Path, modified: Option<SystemTime>) {
    if let Some(modified) = modified {
        let times = fs::FileTimes::new().set_modified(modified);
        fs::File::open(path).and_then(|file| file.set_times(times)).expect("set");
    }
}

/// A time of strace: seconds and nanoseconds.
pub(super) fn time(seconds: u64, nanoseconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds) + Duration::from_nanos(nanoseconds)
}

#[test]
fn a_tree_is_the_same_after_writing_and_reading() {
    let (from, to) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
    fs::create_dir(from.path().join("a")).expect("made");
    crate::support::put(&from.path().join("a/x"), "text");
    fs::hard_link(from.path().join("a/x"), from.path().join("y")).expect("linked");
    symlink("a", from.path().join("link")).expect("linked");
    let disk = Disk::read(from.path());
    disk.write(to.path());
    assert_eq!(Disk::read(to.path()).digest(), disk.digest());
    assert_eq!(disk.find(0, Path::new("link/x")), disk.find(0, Path::new("y")));
    assert_eq!(to.path().join("y").metadata().expect("there").nlink(), 2);
}
