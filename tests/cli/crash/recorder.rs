//! Turns system calls into operations on a tree.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    path::{Component, Path, PathBuf},
};

use super::{
    call::{Call, bytes, descriptor, number, path},
    disk::{Disk, Inode, Kind, Node, time},
    history::{History, Operation, Recorded},
};

const WORKING_FOLDER: i64 = -100;

/// An open file of the tree.
#[derive(Debug, Clone)]
struct Opened {
    inode: Inode,
    position: usize,
    appends: bool,
}

/// Follows the calls of one process and its threads.
struct Recorder<'a> {
    top: &'a Path,
    /// The tree as the process sees it.
    now: Disk,
    history: History,
    open: BTreeMap<i64, Opened>,
    /// `None` outside the tree. A process that changes it cannot be followed.
    working_folder: Option<Inode>,
    began_after: usize,
    /// The number of operations when each call had ended.
    ended: Vec<usize>,
}

/// The operations of a process below a folder. `before` is the folder before the process started.
///
/// # Panics
/// If the calls cannot be followed: a call that this recorder does not know, or a second process.
pub(super) fn record(top: &Path, before: Disk, calls: &[Call]) -> History {
    let history = History { before: before.clone(), operations: Vec::new() };
    // Calls with a descriptor have the path of the working folder; those without have it from the first of them.
    let named = calls.iter().flat_map(|call| &call.arguments).find(|argument| argument.starts_with("AT_FDCWD<"));
    let working_folder = named.and_then(|named| before.find(0, descriptor(named).1?.strip_prefix(top).ok()?));
    let (open, ended) = (BTreeMap::new(), Vec::new());
    let mut recorder = Recorder { top, now: before, history, open, working_folder, began_after: 0, ended };
    for call in calls {
        recorder.began_after = call.began_after.checked_sub(1).map_or(0, |last| recorder.ended[last]);
        recorder.follow(call);
        recorder.ended.push(recorder.history.operations.len());
    }
    let programs = calls.iter().filter(|call| call.name == "execve").count();
    assert_eq!(programs, 1, "the recorder follows one process");
    recorder.history
}

impl Recorder<'_> {
    fn follow(&mut self, call: &Call) {
        let arguments: Vec<&str> = call.arguments.iter().map(String::as_str).collect();
        match (call.name.as_str(), &arguments[..]) {
            ("execve" | "splice", _) => {}
            ("io_uring_setup", _) => panic!("the calls of io_uring are not recorded"),
            ("open", [path, flags, mode @ ..]) => self.opened(WORKING_FOLDER, path, flags, mode.first(), call),
            ("creat", [path, mode]) => self.opened(WORKING_FOLDER, path, "O_CREAT|O_TRUNC", Some(mode), call),
            ("openat", [at, path, flags, mode @ ..]) => {
                self.opened(descriptor(at).0, path, flags, mode.first(), call);
            }
            ("openat2", [at, path, how, ..]) => {
                let field = |name: &str| how.split([',', '{', '}']).find_map(|part| part.trim().strip_prefix(name));
                let (flags, mode) = (field("flags=").expect("flags"), field("mode="));
                self.opened(descriptor(at).0, path, flags, mode.as_ref(), call);
            }
            ("close", [file]) => drop(self.open.remove(&descriptor(file).0)),
            ("dup" | "dup2" | "dup3" | "fcntl", [file, rest @ ..]) => {
                let is_copy =
                    call.name != "fcntl" || rest.first().is_some_and(|command| command.starts_with("F_DUPFD"));
                if is_copy && let Some(opened) = self.open.get(&descriptor(file).0).cloned() {
                    self.open.insert(descriptor(&call.result).0, opened);
                }
            }
            ("lseek", [file, ..]) => {
                if let Some(opened) = self.open.get_mut(&descriptor(file).0) {
                    opened.position = usize::try_from(number(&call.result)).expect("a position");
                }
            }
            ("read", [file, ..]) => {
                if let Some(opened) = self.open.get_mut(&descriptor(file).0) {
                    opened.position += usize::try_from(number(&call.result)).expect("a size");
                }
            }
            ("mkdir", [path, mode]) => self.made(WORKING_FOLDER, path, Kind::Folder, mode),
            ("mkdirat", [at, path, mode]) => self.made(descriptor(at).0, path, Kind::Folder, mode),
            ("symlink", [target, path]) => self.made(WORKING_FOLDER, path, Kind::Link(self::path(target)), "0777"),
            ("symlinkat", [target, at, path]) => {
                self.made(descriptor(at).0, path, Kind::Link(self::path(target)), "0777");
            }
            ("link", [from, to]) => self.linked((WORKING_FOLDER, from), (WORKING_FOLDER, to)),
            ("linkat", [at, from, to_at, to, _]) => self.linked((descriptor(at).0, from), (descriptor(to_at).0, to)),
            ("unlink" | "rmdir", [path]) => self.removed(WORKING_FOLDER, path),
            ("unlinkat", [at, path, _]) => self.removed(descriptor(at).0, path),
            ("rename", [from, to]) => self.renamed((WORKING_FOLDER, from), (WORKING_FOLDER, to), ""),
            ("renameat", [at, from, to_at, to]) => {
                self.renamed((descriptor(at).0, from), (descriptor(to_at).0, to), "");
            }
            ("renameat2", [at, from, to_at, to, flags]) => {
                self.renamed((descriptor(at).0, from), (descriptor(to_at).0, to), flags);
            }
            ("write", [file, text, ..]) => self.written(file, bytes(text), number(&call.result), None),
            ("pwrite64", [file, text, _, at]) => {
                self.written(file, bytes(text), number(&call.result), Some(number(at)));
            }
            ("writev", [file, pieces, ..]) => {
                let pieces =
                    pieces.split("iov_base=").skip(1).map(|piece| bytes(piece.split(',').next().expect("a part")));
                self.written(file, pieces.collect::<Vec<_>>().concat(), number(&call.result), None);
            }
            ("copy_file_range" | "sendfile", _) => self.copied(call, &arguments),
            ("ftruncate", [file, length]) => self.resized(file, number(length), false),
            // The default mode extends a file.
            ("fallocate", [file, "0", at, length]) => self.resized(file, number(at) + number(length), true),
            ("fchmod", [file, mode]) => {
                if let Some(inode) = self.inode_of(file) {
                    self.does(Operation::Mode { inode, mode: self::mode(mode) });
                }
            }
            ("chmod", [path, mode]) => self.changed(WORKING_FOLDER, path, mode),
            ("fchmodat" | "fchmodat2", [at, path, mode, ..]) => self.changed(descriptor(at).0, path, mode),
            ("utimensat", [at, path, times, ..]) => self.timed(at, path, times),
            ("fsync" | "fdatasync", [file]) => {
                if let Some(inode) = self.inode_of(file) {
                    self.does(Operation::Sync { inode });
                }
            }
            ("sync" | "syncfs", _) => self.does(Operation::SyncAll),
            _ => panic!("a call that is not known: {call:?}"),
        }
    }

    fn does(&mut self, operation: Operation) {
        operation.apply(&mut self.now);
        self.history.operations.push(Recorded { operation, began_after: self.began_after });
    }

    /// Adds a file without a name.
    fn node(&mut self, kind: Kind, mode: u32) -> Inode {
        self.history.before.nodes.push(Node::new(kind.clone(), mode));
        self.now.nodes.push(Node::new(kind, mode));
        self.now.nodes.len() - 1
    }

    fn inode_of(&self, file: &str) -> Option<Inode> {
        self.open.get(&descriptor(file).0).map(|opened| opened.inode)
    }

    /// The folder of the tree from which a path is looked up, and the path from there.
    fn start(&self, at: i64, path: &Path) -> Option<(Inode, PathBuf)> {
        if let Ok(rest) = path.strip_prefix("/proc/self/fd") {
            let mut parts = rest.components();
            let Component::Normal(number) = parts.next()? else { return None };
            let opened = self.open.get(&number.to_str()?.parse().ok()?)?;
            return Some((opened.inode, parts.as_path().to_owned()));
        }
        if path.is_absolute() {
            return Some((0, path.strip_prefix(self.top).ok()?.to_owned()));
        }
        if at == WORKING_FOLDER {
            return self.working_folder.map(|inode| (inode, path.to_owned()));
        }
        Some((self.open.get(&at)?.inode, path.to_owned()))
    }

    /// The file at a path of the tree. The last component is not followed.
    fn found(&self, at: i64, path: &Path) -> Option<Inode> {
        let (from, path) = self.start(at, path)?;
        self.now.find(from, &path)
    }

    /// The folder and the name of a path of the tree.
    fn place(&self, at: i64, path: &Path) -> Option<(Inode, OsString)> {
        let (from, path) = self.start(at, path)?;
        let folder = self.now.find(from, path.parent()?)?;
        Some((folder, path.file_name()?.to_owned()))
    }

    fn opened(&mut self, at: i64, path: &str, flags: &str, mode: Option<&&str>, call: &Call) {
        let (file, real) = descriptor(&call.result);
        self.open.remove(&file);
        let path = self::path(path);
        // An existing file, by the path that the kernel has found.
        let real = real.and_then(|real| real.strip_prefix(self.top).ok().map(Path::to_owned));
        let known = real.and_then(|real| self.now.find(0, &real)).or_else(|| self.found(at, &path));
        let inode = match known {
            Some(inode) => inode,
            None if flags.contains("O_CREAT") => {
                let Some((folder, name)) = self.place(at, &path) else { return };
                // The umask of the agent. A different one leads to a mode that the agent sets later.
                let inode = self.node(Kind::File, mode.map_or(0o600, |mode| self::mode(mode)) & !0o022);
                self.does(Operation::Enter { folder, name, inode });
                inode
            }
            None => return,
        };
        if flags.contains("O_TRUNC") && !self.now.nodes[inode].content.is_empty() {
            self.does(Operation::Resize { inode, length: 0 });
        }
        self.open.insert(file, Opened { inode, position: 0, appends: flags.contains("O_APPEND") });
    }

    fn made(&mut self, at: i64, path: &str, kind: Kind, mode: &str) {
        let Some((folder, name)) = self.place(at, &self::path(path)) else { return };
        let umask = if matches!(kind, Kind::Link(_)) { 0 } else { 0o022 };
        let inode = self.node(kind, self::mode(mode) & !umask);
        self.does(Operation::Enter { folder, name, inode });
    }

    fn linked(&mut self, from: (i64, &str), to: (i64, &str)) {
        let from = self.found(from.0, &path(from.1));
        let to = self.place(to.0, &path(to.1));
        match (from, to) {
            (Some(inode), Some((folder, name))) => self.does(Operation::Enter { folder, name, inode }),
            (None, Some(_)) => panic!("a link to a file outside the tree"),
            _ => {}
        }
    }

    fn removed(&mut self, at: i64, path: &str) {
        let path = self::path(path);
        let (Some((folder, name)), Some(inode)) = (self.place(at, &path), self.found(at, &path)) else { return };
        self.does(Operation::Leave { folder, name, inode });
    }

    fn renamed(&mut self, from: (i64, &str), to: (i64, &str), flags: &str) {
        let (from_path, to_path) = (path(from.1), path(to.1));
        let places = (self.place(from.0, &from_path), self.place(to.0, &to_path));
        let (Some(one), Some(other)) = places else {
            assert_eq!(places, (None, None), "a rename across the border of the tree");
            return;
        };
        let inode = self.found(from.0, &from_path).expect("it was there");
        if flags.contains("RENAME_EXCHANGE") {
            let second = self.found(to.0, &to_path).expect("it was there");
            let (one, other) = ((one.0, one.1, inode), (other.0, other.1, second));
            return self.does(Operation::Exchange { one, other });
        }
        // Two names of the same file: a rename does nothing.
        if self.found(to.0, &to_path) != Some(inode) {
            let is_folder = self.now.nodes[inode].kind == Kind::Folder;
            self.does(Operation::Move { from: one, to: other, inode, is_folder });
        }
    }

    fn written(&mut self, file: &str, mut bytes: Vec<u8>, count: i64, at: Option<i64>) {
        bytes.truncate(usize::try_from(count).expect("a size"));
        let Some(opened) = self.open.get_mut(&descriptor(file).0) else { return };
        let inode = opened.inode;
        let end = self.now.nodes[inode].content.len();
        let start = match at {
            Some(at) => usize::try_from(at).expect("a position"),
            None if opened.appends => end,
            None => opened.position,
        };
        if at.is_none() {
            opened.position = start + bytes.len();
        }
        self.does(Operation::Write { inode, at: start, bytes });
    }

    /// Copies of the kernel between two descriptors.
    fn copied(&mut self, call: &Call, arguments: &[&str]) {
        let (("copy_file_range", [from, "NULL", to, "NULL", ..]) | ("sendfile", [to, from, "NULL", ..])) =
            (call.name.as_str(), arguments)
        else {
            panic!("a copy at a position: {call:?}")
        };
        let count = number(&call.result);
        let length = usize::try_from(count).expect("a size");
        let Some(source) = self.open.get_mut(&descriptor(from).0) else {
            assert!(self.inode_of(to).is_none() || count == 0, "a copy from outside the tree: {call:?}");
            return;
        };
        let (inode, start) = (source.inode, source.position);
        source.position += length;
        let bytes = self.now.nodes[inode].content[start..start + length].to_vec();
        self.written(to, bytes, count, None);
    }

    fn resized(&mut self, file: &str, length: i64, only_grows: bool) {
        let Some(inode) = self.inode_of(file) else { return };
        let length = usize::try_from(length).expect("a length");
        let now = self.now.nodes[inode].content.len();
        if length > now || !only_grows && length < now {
            self.does(Operation::Resize { inode, length });
        }
    }

    fn changed(&mut self, at: i64, path: &str, mode: &str) {
        if let Some(inode) = self.found(at, &self::path(path)) {
            self.does(Operation::Mode { inode, mode: self::mode(mode) });
        }
    }

    fn timed(&mut self, at: &str, path: &str, times: &str) {
        let inode = match path {
            "NULL" => self.inode_of(at),
            path => self.found(descriptor(at).0, &self::path(path)),
        };
        // Without seconds it is the present time.
        let modified = times.split("{tv_sec=").nth(2).map(|part| {
            let (seconds, rest) = part.split_once(", tv_nsec=").expect("both parts");
            let nanoseconds = rest.split('}').next().expect("a part");
            time(seconds.parse().expect("a number"), nanoseconds.parse().expect("a number"))
        });
        if let (Some(inode), Some(modified)) = (inode, modified) {
            self.does(Operation::Time { inode, modified });
        }
    }
}

/// Permission bits: octal digits, or the names of the type with them.
fn mode(argument: &str) -> u32 {
    let digits = argument.rsplit('|').next().expect("a part");
    u32::from_str_radix(digits.trim_start_matches("0o"), 8).unwrap_or_else(|error| panic!("{error}: {argument}"))
}
