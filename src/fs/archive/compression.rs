//! Compression formats of single files and tar archives.

use std::io::{self, BufRead, BufReader, Read};

/// The first bytes of each format: RFC 1952, the .xz file format 1.2, RFC 8878, bzip2.
const MARKS: [(&[u8], Compression); 4] = [
    (&[0x1f, 0x8b], Compression::Gzip),
    (&[0xfd, b'7', b'z', b'X', b'Z', 0], Compression::Xz),
    (&[0x28, 0xb5, 0x2f, 0xfd], Compression::Zstd),
    (b"BZh", Compression::Bzip2),
];
/// The maximum memory for the dictionary of an xz file, in KiB. `xz -9` needs 64 MiB.
const XZ_MEMORY: u32 = 256 << 10;

/// The size of read buffers. A tar header, which tells tar archives from other files, is smaller.
pub(super) const BUFFER: usize = 64 << 10;

/// A compression format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Compression {
    Gzip,
    Xz,
    Zstd,
    Bzip2,
}

impl Compression {
    /// The format of a file that begins with these bytes.
    pub(super) fn of(begin: &[u8]) -> Option<Self> {
        MARKS.iter().find(|(mark, _)| begin.starts_with(mark)).map(|(_, found)| *found)
    }

    /// A reader of the decompressed content. A file may have several parts, one after another.
    pub(super) fn reader(self, file: impl BufRead + Send + 'static) -> io::Result<Box<dyn Read + Send>> {
        Ok(match self {
            Self::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(file)),
            Self::Xz => Box::new(lzma_rust2::XzReader::new_mem_limit(file, true, XZ_MEMORY)),
            Self::Zstd => Box::new(zstd::stream::read::Decoder::with_buffer(file)?),
            Self::Bzip2 => Box::new(bzip2::bufread::MultiBzDecoder::new(file)),
        })
    }
}

/// A reader of the decompressed content. Without a compression, of the content itself.
pub(super) fn decompressed(
    file: impl BufRead + Send + 'static,
    how: Option<Compression>,
) -> io::Result<BufReader<Box<dyn Read + Send>>> {
    let content: Box<dyn Read + Send> = match how {
        Some(how) => how.reader(file)?,
        None => Box::new(file),
    };
    Ok(BufReader::with_capacity(BUFFER, content))
}
