//! The members of a Debian package: `control.tar` with its control file, and `data.tar` with its files. See deb(5). The
//! crate `ar` is not used: it allocates as many bytes as a header says, before it reads them.

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
/// The most bytes of `control.tar` that are read. It also has lists of files and scripts.
const MOST_CONTROL: u64 = 16 << 20;

pub(super) fn is_deb(begin: &[u8]) -> bool {
    begin.starts_with(MARK)
}

/// The control file of a package: a paragraph of fields (deb-control(5)).
///
/// # Errors
/// If the file cannot be read or is not a Debian package.
pub fn deb_control(path: &Path) -> io::Result<String> {
    let mut archive = tar::Archive::new(member(path, "control.tar")?.take(MOST_CONTROL));
    for entry in archive.entries()? {
        let mut entry = entry?;
        let is_control = [Path::new("control"), Path::new("./control")].contains(&&*entry.path()?);
        if is_control {
            let mut text = String::new();
            entry.read_to_string(&mut text)?;
            return Ok(text);
        }
    }
    Err(io::Error::other("it is not a Debian package: it has no control file"))
}

/// The tar archive with the files of a package.
pub(super) fn data(path: &Path) -> io::Result<Box<dyn Read + Send>> {
    member(path, "data.tar")
}

/// A member that is a tar archive. Its name may have the extension of a compression format.
fn member(path: &Path, name: &str) -> io::Result<Box<dyn Read + Send>> {
    let mut file = File::open(path)?;
    let mut mark = [0; MARK.len()];
    file.read_exact(&mut mark)?;
    let size = is_deb(&mark).then(|| size_of_member(&mut file, name)).transpose()?.flatten();
    let size =
        size.ok_or_else(|| io::Error::other(format!("it is not a Debian package: it has no member `{name}`")))?;
    let mut mark = Vec::new();
    (&mut file).take(MOST_MARK.min(size)).read_to_end(&mut mark)?;
    let how = Compression::of(&mark);
    let rest = size - mark.len() as u64;
    let content = BufReader::new(io::Cursor::new(mark).chain(file.take(rest)));
    Ok(Box::new(decompressed(content, how)?))
}

/// Reads up to the content of a member, and returns its size. `None` if there is no such member.
fn size_of_member(file: &mut File, name: &str) -> io::Result<Option<u64>> {
    loop {
        let mut header = [0; HEADER];
        if file.read_exact(&mut header).is_err() {
            return Ok(None);
        }
        let text = std::str::from_utf8(&header[SIZE]).ok().filter(|_| header.ends_with(END));
        let Some(size) = text.and_then(|text| text.trim_end().parse::<u32>().ok()) else { return Ok(None) };
        if header[NAME].starts_with(name.as_bytes()) {
            return Ok(Some(u64::from(size)));
        }
        // Members begin at even positions.
        file.seek_relative(i64::from(size) + i64::from(size % 2))?;
    }
}
