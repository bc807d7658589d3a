//! Archives of tar packed by zstd, with a bound on the memory that reading one takes.

use std::{
    fs::File,
    io::{self, BufReader, Read},
    path::{Path, PathBuf},
};

use zstd::{
    stream::{read::Decoder, write::Encoder},
    zstd_safe::DCtx,
};

use super::{Attributes, FsError, Partial, pack_some};

/// How far back zstd refers, as a power of two: nodes hold that much of each archive in memory while they unpack.
const WINDOW: u32 = 21;

/// Packs files, links and folders as [`pack_some`] does, into a file that only its owner may read. Returns how many entries
/// the archive has.
pub fn pack_to(below: &Path, names: &[PathBuf], level: i32, to: &Path) -> Result<u64, FsError> {
    let failed = || FsError::new(to, "packed");
    let partial = Partial::create(to, Attributes::mode(0o600))?;
    let mut encoder = Encoder::new(partial, level).map_err(failed())?;
    encoder.window_log(WINDOW).and_then(|()| encoder.include_checksum(false)).map_err(failed())?;
    let (encoder, entries) = pack_some(below, names, encoder)?;
    encoder.finish().map_err(failed())?.commit()?;
    Ok(entries)
}

/// What is in a packed file. One that wants more memory than ours do is refused while it is read. The memory is that of
/// `context`, for one file after the other.
pub fn open_packed<'a>(file: &Path, context: &'a mut DCtx<'static>) -> io::Result<impl Read + 'a> {
    let mut decoder = Decoder::with_context(BufReader::new(File::open(file)?), context);
    decoder.window_log_max(WINDOW)?;
    Ok(decoder)
}
