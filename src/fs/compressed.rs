//! Tar archives compressed with zstd. Reading one needs a bounded amount of memory.

use std::{
    fs::File,
    io::{self, BufReader, Read},
    path::{Path, PathBuf},
};

use tar::{Builder, Header};
use zstd::{
    stream::{read::Decoder, write::Encoder},
    zstd_safe::DCtx,
};

use super::{Attributes, FsError, PartialFile, pack_some};

/// The base-2 logarithm of the zstd window. Nodes hold a window of this size in memory for each archive that they
/// unpack.
const WINDOW: u32 = 21;

/// Packs files, links and folders like [`pack_some`] into a file that only its owner can read. Returns the number of
/// entries.
pub fn compress_files(below: &Path, names: &[PathBuf], level: i32, to: &Path) -> Result<u64, FsError> {
    let (encoder, entries) = pack_some(below, names, encoder(level, to)?)?;
    finish(encoder, to)?;
    Ok(entries)
}

/// Packs files in memory into such an archive. Owners and times are zero, so that equal files give equal archives.
pub fn compress_contents(
    files: impl Iterator<Item = io::Result<(PathBuf, Vec<u8>)>>,
    level: i32,
    to: &Path,
) -> Result<(), FsError> {
    let failed = || FsError::new(to, "packed");
    let mut archive = Builder::new(encoder(level, to)?);
    for file in files {
        let (name, bytes) = file.map_err(failed())?;
        let mut header = Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        archive.append_data(&mut header, name, &bytes[..]).map_err(failed())?;
    }
    finish(archive.into_inner().map_err(failed())?, to)
}

fn encoder(level: i32, to: &Path) -> Result<Encoder<'static, PartialFile>, FsError> {
    let failed = || FsError::new(to, "packed");
    let mut encoder = Encoder::new(PartialFile::create(to, Attributes::mode(0o600))?, level).map_err(failed())?;
    encoder.window_log(WINDOW).and_then(|()| encoder.include_checksum(false)).map_err(failed())?;
    Ok(encoder)
}

fn finish(encoder: Encoder<'static, PartialFile>, to: &Path) -> Result<(), FsError> {
    encoder.finish().map_err(FsError::new(to, "packed"))?.commit()
}

/// Opens a compressed archive for reading. An archive that needs a larger window fails while it is read. `context`
/// holds the memory and can be reused for the next archive.
pub fn open_compressed<'a>(file: &Path, context: &'a mut DCtx<'static>) -> io::Result<impl Read + 'a> {
    let mut decoder = Decoder::with_context(BufReader::new(File::open(file)?), context);
    decoder.window_log_max(WINDOW)?;
    Ok(decoder)
}
