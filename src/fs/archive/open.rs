//! Opens an archive or a compressed file. The format is known by the first bytes of the file, not by its name.

use std::{
    fs::File,
    io::{self, BufRead as _, BufReader, Cursor, Read},
    path::Path,
};

use super::{
    compression::{BUFFER, Compression, decompressed},
    deb, zip,
};

/// The size of a tar header (POSIX.1-1988, ustar interchange format), and the position of its checksum.
const HEADER: usize = 512;
const CHECKSUM: std::ops::Range<usize> = 148..156;

/// The content of a file that is to be unpacked.
pub enum OpenedArchive {
    /// A tar archive.
    Archive(Box<dyn Read + Send>),
    /// A single file, decompressed.
    File(Box<dyn Read + Send>),
}

/// Opens an archive or a compressed file.
///
/// # Errors
/// If the file cannot be read, or has no supported format.
pub fn open_archive(path: &Path) -> io::Result<OpenedArchive> {
    let mut file = BufReader::with_capacity(BUFFER, File::open(path)?);
    let begin = file.fill_buf()?;
    if zip::is_zip(begin) {
        return Ok(OpenedArchive::Archive(Box::new(zip::as_tar(File::open(path)?)?)));
    }
    if deb::is_deb(begin) {
        return deb::data(path).map(OpenedArchive::Archive);
    }
    let compression = Compression::of(begin);
    let mut content = decompressed(file, compression)?;
    let mut begin = Vec::new();
    content.by_ref().take(HEADER as u64).read_to_end(&mut begin)?;
    let is_tar = is_tar(&begin);
    let content = Box::new(Cursor::new(begin).chain(content));
    match compression {
        _ if is_tar => Ok(OpenedArchive::Archive(content)),
        Some(_) => Ok(OpenedArchive::File(content)),
        None => {
            Err(io::Error::other("it is not a tar, zip or deb archive, and not compressed with gz, xz, zst or bz2"))
        }
    }
}

/// Whether a file begins with a tar header: the checksum is the sum of all bytes, those of the checksum counted as
/// spaces.
fn is_tar(begin: &[u8]) -> bool {
    let Ok(header) = <&[u8; HEADER]>::try_from(begin) else { return false };
    let sum = |bytes: &[u8]| bytes.iter().map(|byte| u32::from(*byte)).sum::<u32>();
    let spaces = sum(&[b' '; CHECKSUM.end - CHECKSUM.start]);
    let expected = tar::Header::from_byte_slice(header).cksum();
    expected.is_ok_and(|expected| expected == sum(header) - sum(&header[CHECKSUM]) + spaces)
}
