//! The local store: a folder that only nodeagent writes to. Files enter and leave it as hard links where possible, so
//! that each file is on the disk once.

use std::{
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use super::{Entry, Key, Kind, StoreError, entry, layout};
use crate::{
    digest::Digest,
    fs::{Attributes, FsError, OpenFile, PartialFile, Tree},
};

/// The size of a read, in bytes.
pub(super) const PIECE: usize = 256 << 10;
/// The name of the local store in messages.
const NAME: &str = "the local store";

#[derive(Debug, Clone)]
pub(super) struct LocalStore {
    pub(super) tree: Tree,
}

impl LocalStore {
    pub(super) fn new(root: PathBuf) -> Self {
        Self { tree: Tree::own(root) }
    }

    /// Copies or links an object to `to` and returns its size. Returns `None` if the object is not in the store. A
    /// corrupt object is removed.
    pub(super) fn copy_out(&self, digest: &Digest, to: &Path) -> Result<Option<u64>, StoreError> {
        let name = layout::object(digest);
        let Some(mut opened) = self.tree.open(&name)? else { return Ok(None) };
        let size = opened.size;
        if hashed(&mut opened)? != *digest {
            self.tree.remove(&name)?;
            return Err(StoreError::corrupt(digest, NAME, "removed"));
        }
        if self.tree.link_to(&name, to).is_err() {
            // The target is on another file system, or the file system has no hard links.
            let Some(opened) = self.tree.open(&name)? else { return Ok(None) };
            let partial = PartialFile::create(to, Attributes::mode(0o644))?;
            if !copied(opened, partial, digest)? {
                return Err(StoreError::corrupt(digest, NAME, "refused"));
            }
        }
        self.tree.touch(&name);
        Ok(Some(size))
    }

    /// Adds a file whose digest was just checked.
    pub(super) fn copy_in(&self, digest: &Digest, file: &Path) -> Result<(), StoreError> {
        let name = layout::object(digest);
        if self.tree.link_from(file, &name).is_ok() {
            return Ok(());
        }
        let opened = || -> io::Result<OpenFile> {
            let file = std::fs::File::open(file)?;
            let found = file.metadata()?;
            Ok(OpenFile { size: found.len(), modified: found.modified()?, file })
        };
        let opened = opened().map_err(|error| StoreError::unreadable(file, error))?;
        if !copied(opened, self.tree.create(&name)?, digest)? {
            return Err(StoreError::corrupt(digest, format!("`{}`", file.display()), "refused"));
        }
        Ok(())
    }

    /// Whether the bytes of an object match its digest.
    pub(super) fn is_sound(&self, digest: &Digest) -> bool {
        let opened = self.tree.open(&layout::object(digest));
        opened.ok().flatten().is_some_and(|mut opened| hashed(&mut opened).is_ok_and(|found| found == *digest))
    }

    /// Reads an entry without marking it as used.
    pub(super) fn look_at_entry(&self, kind: Kind, key: &Key) -> Option<Entry> {
        Entry::parse(kind, &small(self.tree.open(&layout::entry(kind, key)).ok()??).ok()?)
    }

    /// Reads an entry and marks it as used. An entry that cannot be parsed is removed.
    pub(super) fn entry(&self, kind: Kind, key: &Key) -> Result<Option<Entry>, StoreError> {
        let name = layout::entry(kind, key);
        let Ok(Some(opened)) = self.tree.open(&name) else { return Ok(None) };
        let Ok(bytes) = small(opened) else { return Ok(None) };
        let Some(entry) = Entry::parse(kind, &bytes) else {
            self.tree.remove(&name)?;
            return Err(StoreError::NoEntry { name: key.hex()[..12].to_owned() });
        };
        self.tree.touch(&name);
        Ok(Some(entry))
    }

    /// Writes an entry.
    pub(super) fn put_entry(&self, kind: Kind, key: &Key, bytes: &[u8]) -> Result<(), StoreError> {
        let mut partial = self.tree.create(&layout::entry(kind, key))?;
        partial.write(bytes)?;
        Ok(partial.commit()?)
    }
}

/// The whole content of a small file.
pub(super) fn small(opened: OpenFile) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    opened.file.take(entry::MAX_BYTES).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The SHA-256 of an open file.
fn hashed(opened: &mut OpenFile) -> Result<Digest, StoreError> {
    let mut hasher = Digest::sha256_hasher();
    each_piece(&mut opened.file, |piece| {
        hasher.update(piece);
        Ok(())
    })?;
    Ok(hasher.finish())
}

/// Copies a file and hashes it on the way. The copy appears only if its digest matches; returns whether it does.
fn copied(mut from: OpenFile, mut to: PartialFile, digest: &Digest) -> Result<bool, StoreError> {
    let mut hasher = digest.hasher();
    each_piece(&mut from.file, |piece| {
        hasher.update(piece);
        to.write(piece)
    })?;
    if hasher.finish() != *digest {
        return Ok(false);
    }
    to.commit()?;
    Ok(true)
}

fn each_piece(file: &mut std::fs::File, mut take: impl FnMut(&[u8]) -> Result<(), FsError>) -> Result<(), StoreError> {
    let mut buffer = vec![0; PIECE];
    loop {
        match file.read(&mut buffer).map_err(|error| StoreError::unreadable(Path::new(NAME), error))? {
            0 => return Ok(()),
            count => take(&buffer[..count])?,
        }
    }
}
