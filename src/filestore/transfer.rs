//! Downloads one file into the mirror, several pieces at a time. Finished pieces are kept, so that an interrupted
//! download continues.

use std::{
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
};

use futures::{StreamExt as _, stream};

use super::{FileStoreError, remote_client::RemoteClient, remote_entry::RemoteEntry};
use crate::{
    digest::{Digest, Hasher},
    fs::{self, Attributes, PartialFile},
};

/// Pieces of one file that are fetched at the same time.
const CONCURRENCY: usize = 4;
/// Tries for each piece. Transient errors were already retried below; these tries are for wrong answers.
const MAX_ATTEMPTS: usize = 3;
const READABLE: Attributes = Attributes { mode: Some(0o644), owner: None };

/// Fetches a file. `pieces` is the folder for finished pieces. Returns the digest of the file.
pub(super) async fn fetch(
    client: &RemoteClient,
    file: &str,
    entry: &RemoteEntry,
    to: &Path,
    pieces: &Path,
) -> Result<Digest, FileStoreError> {
    let (step, most) = (client.piece(), client.largest());
    if let Some(size) = entry.size.filter(|&size| size > most) {
        return Err(FileStoreError::TooLarge { what: client.address.shown(file), size, most });
    }
    let size = match entry.size {
        Some(size) if size > step => size,
        size => {
            let bytes = piece(client, file, entry, 0, size.unwrap_or(0)).await?;
            fs::replace(to, &bytes, READABLE)?;
            return Ok(Digest::sha256(&bytes));
        }
    };
    // Another version of the file has another folder of pieces.
    let name = Digest::sha256(format!("{file}\n{size}\n{:?}", entry.version).as_bytes());
    let folder = pieces.join(&name.hex()[..16]);
    let offsets = || (0..size.div_ceil(step)).map(|index| index * step);
    let length = |from: u64| step.min(size - from);
    let kept = |from: u64| folder.join(from.to_string());
    let missing = offsets().filter(|&from| !has_size(&kept(from), length(from)));
    let has_failed = AtomicBool::new(false);
    let bring = async |from: u64| {
        // After a failure, pieces in progress are finished and kept, and no new ones are started.
        if has_failed.load(Ordering::Relaxed) {
            return Ok(());
        }
        let brought = match piece(client, file, entry, from, length(from)).await {
            Ok(bytes) => fs::replace(&kept(from), &bytes, READABLE).map_err(FileStoreError::from),
            Err(error) => Err(error),
        };
        has_failed.fetch_or(brought.is_err(), Ordering::Relaxed);
        brought
    };
    let ended: Vec<Result<(), FileStoreError>> =
        stream::iter(missing).map(bring).buffer_unordered(CONCURRENCY).collect().await;
    ended.into_iter().collect::<Result<(), FileStoreError>>()?;
    if client.look(file).await?.as_ref().is_none_or(|now| now.version != entry.version) {
        fs::remove_tree(&folder)?;
        return Err(FileStoreError::Changed(client.address.shown(file)));
    }
    let digest = put_together(offsets().map(|from| (kept(from), length(from))), to)?.ok_or_else(|| {
        // Another process used and removed the pieces.
        FileStoreError::Changed(client.address.shown(file))
    })?;
    fs::remove_tree(&folder)?;
    Ok(digest)
}

async fn piece(
    client: &RemoteClient,
    file: &str,
    entry: &RemoteEntry,
    from: u64,
    length: u64,
) -> Result<Vec<u8>, FileStoreError> {
    let mut attempts = 1;
    loop {
        match client.read(file, entry, from, length).await {
            Err(FileStoreError::WrongSize { .. }) if attempts < MAX_ATTEMPTS => attempts += 1,
            ended => return ended,
        }
    }
}

fn has_size(path: &Path, size: u64) -> bool {
    path.metadata().is_ok_and(|found| found.is_file() && found.len() == size)
}

/// Joins pieces of these lengths to a file. Returns `None` if a piece is missing.
fn put_together(pieces: impl Iterator<Item = (PathBuf, u64)>, to: &Path) -> Result<Option<Digest>, FileStoreError> {
    let mut whole = PartialFile::create(to, READABLE)?;
    let mut hasher: Hasher = Digest::Sha256(String::new()).hasher();
    for (path, length) in pieces {
        let bytes = fs::read(&path)?.and_then(|found| found.bytes).unwrap_or_default();
        if bytes.len() as u64 != length {
            return Ok(None);
        }
        hasher.update(&bytes);
        whole.write(&bytes)?;
    }
    whole.commit()?;
    Ok(Some(hasher.finish()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_appears_only_with_all_its_pieces() {
        let temp = tempfile::tempdir().expect("a temporary folder");
        let piece = |name: &str| temp.path().join(name);
        fs::replace(&piece("0"), b"first ", READABLE).expect("written");
        fs::replace(&piece("6"), b"last", READABLE).expect("written");
        let to = piece("whole");
        let pieces = |last| [(piece("0"), 6), (piece("6"), last), (piece("x"), 0)].into_iter();
        assert_eq!(put_together(pieces(5), &to).expect("readable"), None);
        assert!(!to.exists(), "nothing is better than a part");
        assert_eq!(put_together(pieces(4), &to).expect("readable"), Some(Digest::sha256(b"first last")));
        assert_eq!(std::fs::read(&to).expect("there"), b"first last");
    }
}
