//! Archives of tar packed by zstd, with a bound on the memory that reading one takes.

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

/// How far back zstd refers, as a power of two: nodes hold that much of each archive in memory while they unpack.
const WINDOW: u32 = 21;

/// Packs files, links and folders as [`pack_some`] does, into a file that only its owner may read. Returns how many entries
/// the archive has.
pub fn compress_files(below: &Path, names: &[PathBuf], level: i32, to: &Path) -> Result<u64, FsError> {
    let (encoder, entries) = pack_some(below, names, encoder(level, to)?)?;
    finish(encoder, to)?;
    Ok(entries)
}

/// Packs files that are in memory, one after the other, into such a file: nobody's, and of no time, so that the same files
/// make the same archive.
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

/// What is in a packed file. One that wants more memory than ours do is refused while it is read. The memory is that of
/// `context`, for one file after the other.
pub fn open_compressed<'a>(file: &Path, context: &'a mut DCtx<'static>) -> io::Result<impl Read + 'a> {
    let mut decoder = Decoder::with_context(BufReader::new(File::open(file)?), context);
    decoder.window_log_max(WINDOW)?;
    Ok(decoder)
}
