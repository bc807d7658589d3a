//! The node's own place: a folder that only the agent writes in. Files are shared with it by hard links where that can
//! be, so that what is there twice is on the disk once.

use std::{
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use super::{Entry, Key, Kind, StoreError, entry, layout};
use crate::{
    digest::Digest,
    fs::{Attributes, FsError, OpenFile, PartialFile, Tree},
};

/// How much is read at once.
pub(super) const PIECE: usize = 256 << 10;
/// What the place is called in messages.
const NAME: &str = "the store's place on this node";

#[derive(Debug, Clone)]
pub(super) struct LocalStore {
    pub(super) tree: Tree,
}

impl LocalStore {
    pub(super) fn new(root: PathBuf) -> Self {
        Self { tree: Tree::own(root) }
    }

    /// Brings an object to a path and returns its size; `None` when it is not here. One that is not what its name says is
    /// removed.
    pub(super) fn give_out(&self, digest: &Digest, to: &Path) -> Result<Option<u64>, StoreError> {
        let name = layout::object(digest);
        let Some(mut opened) = self.tree.open(&name)? else { return Ok(None) };
        let size = opened.size;
        if hashed(&mut opened)? != *digest {
            self.tree.remove(&name)?;
            return Err(StoreError::corrupt(digest, NAME, "removed"));
        }
        if self.tree.link_to(&name, to).is_err() {
            // On another file system, or one without hard links.
            let Some(opened) = self.tree.open(&name)? else { return Ok(None) };
            let partial = PartialFile::create(to, Attributes::mode(0o644))?;
            if !copied(opened, partial, digest)? {
                return Err(StoreError::corrupt(digest, NAME, "refused"));
            }
        }
        self.tree.touch(&name);
        Ok(Some(size))
    }

    /// Takes a file in that was just found to have this digest.
    pub(super) fn take_in(&self, digest: &Digest, file: &Path) -> Result<(), StoreError> {
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

    /// Whether an object is what its name says.
    pub(super) fn is_sound(&self, digest: &Digest) -> bool {
        let opened = self.tree.open(&layout::object(digest));
        opened.ok().flatten().is_some_and(|mut opened| hashed(&mut opened).is_ok_and(|found| found == *digest))
    }

    /// What a key leads to, for somebody who looks and does not use it.
    pub(super) fn look_at_entry(&self, kind: Kind, key: &Key) -> Option<Entry> {
        Entry::parse(kind, &small(self.tree.open(&layout::entry(kind, key)).ok()??).ok()?)
    }

    /// What a key leads to; what is no entry is removed.
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

    /// Writes what a key leads to.
    pub(super) fn put_entry(&self, kind: Kind, key: &Key, bytes: &[u8]) -> Result<(), StoreError> {
        let mut partial = self.tree.create(&layout::entry(kind, key))?;
        partial.write(bytes)?;
        Ok(partial.commit()?)
    }
}

/// The whole content of a small file.
pub(super) fn small(opened: OpenFile) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    opened.file.take(entry::MOST_BYTES).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The SHA-256 of a file that is open.
fn hashed(opened: &mut OpenFile) -> Result<Digest, StoreError> {
    let mut hasher = Digest::sha256_hasher();
    each_piece(&mut opened.file, |piece| {
        hasher.update(piece);
        Ok(())
    })?;
    Ok(hasher.finish())
}

/// Copies bytes and hashes them on the way. The copy appears only if they are what they should be; says whether.
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
