//! The files of a Debian package: the member `data.tar` of its ar archive. See deb(5).

use std::{
    fs::File,
    io::{self, BufReader, Read, Seek as _},
    path::Path,
};

use super::compression::{Compression, decompressed};

/// The first bytes of an ar archive.
const MARK: &[u8] = b"!<arch>\n";
/// The longest mark of a compression format.
const MOST_MARK: u64 = 6;

pub(super) fn is_deb(begin: &[u8]) -> bool {
    begin.starts_with(MARK)
}

/// The tar archive with the files of a package.
pub(super) fn data(path: &Path) -> io::Result<Box<dyn Read + Send>> {
    let mut archive = ar::Archive::new(File::open(path)?);
    let size = loop {
        let Some(entry) = archive.next_entry() else {
            return Err(io::Error::other("it is not a Debian package: it has no member `data.tar`"));
        };
        let entry = entry?;
        if entry.header().identifier().starts_with(b"data.tar") {
            break entry.header().size();
        }
    };
    // The reader of the archive is at the end of the member.
    let mut file = archive.into_inner()?;
    let back = i64::try_from(size).map_err(io::Error::other)?;
    file.seek_relative(-back)?;
    let mut mark = Vec::new();
    (&mut file).take(MOST_MARK.min(size)).read_to_end(&mut mark)?;
    let how = Compression::of(&mark);
    let rest = size - mark.len() as u64;
    let content = BufReader::new(io::Cursor::new(mark).chain(file.take(rest)));
    Ok(Box::new(decompressed(content, how)?))
}
