//! A shared place that is a folder: DBFS or a Volume by FUSE, NFS, or a plain one. Plain and synchronous: who calls
//! waits beside the runtime, and no longer than patience lasts.

use std::{
    io::Read as _,
    path::Path,
    time::{Duration, SystemTime},
};

use super::{
    backend::{Content, Held, Version, Write},
    local::{PIECE, small},
    patience::Pulse,
    receive::Receiver,
    trouble::Trouble,
};
use crate::{
    digest::Digest,
    fs::{FsError, Opened, Tree},
};

/// Who made a mark and did not take it away within this time was killed.
const DEAD_MARK: Duration = Duration::from_secs(60);

#[derive(Debug, Clone)]
pub(super) struct FolderPlace {
    pub(super) tree: Tree,
}

impl FolderPlace {
    /// Whether the folder is there at all.
    pub(super) fn look(&self) -> Result<(), Trouble> {
        match std::fs::metadata(self.tree.root()) {
            Ok(found) if found.is_dir() => Ok(()),
            Ok(_) => Err(Trouble::Place("it is no folder".to_owned())),
            Err(error) => Err(Trouble::Place(error.to_string())),
        }
    }

    pub(super) fn size(&self, name: &str) -> Result<Option<u64>, Trouble> {
        let opened = self.tree.open(name).map_err(|error| Trouble::reading(&error))?;
        Ok(opened.map(|opened| opened.size))
    }

    pub(super) fn read(&self, name: &str, mut to: Receiver, pulse: &Pulse) -> Result<Option<Receiver>, Trouble> {
        let Some(mut opened) = self.opened(name)? else { return Ok(None) };
        to.announce(opened.size)?;
        let mut buffer = vec![0; PIECE];
        while !pulse.is_given_up() {
            match opened.file.read(&mut buffer).map_err(|error| Trouble::Place(error.to_string()))? {
                0 => return Ok(Some(to)),
                count => {
                    to.take(&buffer[..count])?;
                    pulse.moved(count);
                }
            }
        }
        Ok(None)
    }

    pub(super) fn content(&self, name: &str) -> Result<Option<Content>, Trouble> {
        let Some(opened) = self.opened(name)? else { return Ok(None) };
        let modified = opened.modified;
        let bytes = small(opened).map_err(|error| Trouble::Place(error.to_string()))?;
        Ok(Some(Content { version: Version::Bytes(bytes.clone()), bytes, modified }))
    }

    /// Copies an object from a file of ours.
    pub(super) fn publish(&self, name: &str, from: Opened, digest: &Digest, pulse: &Pulse) -> Result<(), Trouble> {
        let writing = |error: FsError| Trouble::writing(&error);
        let mut partial = self.tree.create(name).map_err(writing)?;
        let (mut file, mut hasher) = (from.file, digest.hasher());
        let mut buffer = vec![0; PIECE];
        loop {
            if pulse.is_given_up() {
                return Ok(());
            }
            match file.read(&mut buffer).map_err(|error| Trouble::Refused(error.to_string()))? {
                0 => break,
                count => {
                    hasher.update(&buffer[..count]);
                    partial.write(&buffer[..count]).map_err(writing)?;
                    pulse.moved(count);
                }
            }
        }
        if hasher.finish() != *digest {
            return Err(Trouble::Refused("it was damaged on this node".to_owned()));
        }
        partial.commit().map_err(writing)
    }

    /// Writes a small file. Says whether it did: what is there may have been in the way.
    pub(super) fn write(&self, name: &str, bytes: &[u8], how: &Write) -> Result<bool, Trouble> {
        let writing = |error: FsError| Trouble::writing(&error);
        match how {
            Write::Always => {
                let mut partial = self.tree.create(name).map_err(writing)?;
                partial.write(bytes).map_err(writing)?;
                partial.commit().map_err(writing)?;
                Ok(true)
            }
            Write::IfAbsent => self.tree.create_new(name, bytes).map_err(writing),
            Write::InPlaceOf(Version::Bytes(before)) => {
                // Of those who saw the same file one goes on, the others find its mark.
                let hex = Digest::sha256(before);
                let mark = Path::new(name).with_file_name(format!(".{}.nodeagent", &hex.hex()[..32]));
                let mark = mark.to_str().expect("names are text");
                if !self.tree.create_new(mark, b"").map_err(writing)? {
                    let made = self.tree.open(mark).map_err(|error| Trouble::reading(&error))?;
                    if made.is_some_and(|made| age(made.modified) > DEAD_MARK) {
                        self.tree.remove(mark).map_err(writing)?;
                    }
                    return Ok(false);
                }
                let is_same = self.content(name).map(|now| now.is_some_and(|now| now.bytes == *before));
                let written = is_same.and_then(|is_same| Ok(is_same && self.write(name, bytes, &Write::Always)?));
                self.tree.remove(mark).map_err(writing)?;
                written
            }
            Write::InPlaceOf(Version::Tag(_)) => Ok(false),
        }
    }

    pub(super) fn remove(&self, name: &str) -> Result<(), Trouble> {
        self.tree.remove(name).map_err(|error| Trouble::writing(&error))
    }

    /// All files below a folder, with their whole names. What is reached through a link only is not there.
    pub(super) fn list(&self, folder: &str) -> Result<Vec<Held>, Trouble> {
        let mut held = Vec::new();
        for found in self.tree.list(folder).map_err(|error| Trouble::reading(&error))? {
            let name = format!("{folder}/{}", found.name);
            if found.is_folder {
                held.extend(self.list(&name)?);
            } else {
                held.push(Held { name, size: found.size, modified: found.modified, is_plain: found.is_file });
            }
        }
        Ok(held)
    }

    fn opened(&self, name: &str) -> Result<Option<Opened>, Trouble> {
        self.tree.open(name).map_err(|error| Trouble::reading(&error))
    }
}

/// How long ago something changed, for what other clocks wrote down.
pub(super) fn age(modified: SystemTime) -> Duration {
    SystemTime::now().duration_since(modified).unwrap_or_default()
}
