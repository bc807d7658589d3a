//! The files of a Debian package: the member `data.tar` of its ar archive. See deb(5). The crate `ar` is not used: it
//! allocates as many bytes as a header says, before it reads them.

use std::{
    fs::File,
    io::{self, BufReader, Read, Seek as _},
    path::Path,
};

use super::compression::{Compression, decompressed};

/// The first bytes of an ar archive.
const MARK: &[u8] = b"!<arch>\n";
/// The header of a member, and the positions of its name, its size and its end (ar(5)).
const HEADER: usize = 60;
const NAME: std::ops::Range<usize> = 0..16;
const SIZE: std::ops::Range<usize> = 48..58;
const END: &[u8] = b"`\n";
/// The longest mark of a compression format.
const MOST_MARK: u64 = 6;

pub(super) fn is_deb(begin: &[u8]) -> bool {
    begin.starts_with(MARK)
}

/// The tar archive with the files of a package.
pub(super) fn data(path: &Path) -> io::Result<Box<dyn Read + Send>> {
    let mut file = File::open(path)?;
    file.read_exact(&mut [0; MARK.len()])?;
    let size = size_of_data(&mut file)?;
    let mut mark = Vec::new();
    (&mut file).take(MOST_MARK.min(size)).read_to_end(&mut mark)?;
    let how = Compression::of(&mark);
    let rest = size - mark.len() as u64;
    let content = BufReader::new(io::Cursor::new(mark).chain(file.take(rest)));
    Ok(Box::new(decompressed(content, how)?))
}

/// Reads up to the content of the member `data.tar`, and returns its size.
fn size_of_data(file: &mut File) -> io::Result<u64> {
    let invalid = || io::Error::other("it is not a Debian package: it has no member `data.tar`");
    loop {
        let mut header = [0; HEADER];
        file.read_exact(&mut header).map_err(|_| invalid())?;
        let text = std::str::from_utf8(&header[SIZE]).ok().filter(|_| header.ends_with(END));
        let size: u32 = text.and_then(|text| text.trim_end().parse().ok()).ok_or_else(invalid)?;
        if header[NAME].starts_with(b"data.tar") {
            return Ok(u64::from(size));
        }
        // Members begin at even positions.
        file.seek_relative(i64::from(size) + i64::from(size % 2))?;
    }
}
