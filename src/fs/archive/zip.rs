//! Zip archives as tar archives. A thread reads the zip archive and writes the tar archive to a pipe.

use std::{
    fs::File,
    io::{self, BufWriter, PipeReader, PipeWriter, Read, Write as _},
    thread::JoinHandle,
};

use tar::{Builder, EntryType, Header};
use zip::{DateTime, ZipArchive};

/// The first bytes of a zip archive, and of one without entries (APPNOTE 4.3.7, 4.3.16).
const MARKS: [&[u8]; 2] = [b"PK\x03\x04", b"PK\x05\x06"];
/// The longest target of a symbolic link.
const MOST_TARGET: u64 = 4096;

pub(super) fn is_zip(begin: &[u8]) -> bool {
    MARKS.iter().any(|mark| begin.starts_with(mark))
}

/// The zip archive as a tar archive. An error of the zip archive is an error of the last read.
pub(super) fn as_tar(file: File) -> io::Result<ZipAsTar> {
    let (reader, writer) = io::pipe()?;
    let archive = ZipArchive::new(io::BufReader::new(file))?;
    let thread = std::thread::Builder::new().name("zip".to_owned()).spawn(move || convert(archive, writer))?;
    Ok(ZipAsTar { reader, thread: Some(thread) })
}

/// The tar archive.
pub(super) struct ZipAsTar {
    reader: PipeReader,
    thread: Option<JoinHandle<io::Result<()>>>,
}

impl Read for ZipAsTar {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.reader.read(buffer)?;
        if read == 0
            && !buffer.is_empty()
            && let Some(thread) = self.thread.take()
        {
            thread.join().map_err(|_| io::Error::other("the thread that reads the zip archive failed"))??;
        }
        Ok(read)
    }
}

fn convert(archive: ZipArchive<io::BufReader<File>>, writer: PipeWriter) -> io::Result<()> {
    let mut writer = BufWriter::new(writer);
    match write_tar(archive, &mut writer) {
        Ok(()) => writer.flush(),
        Err(error) => {
            // A builder that is dropped writes the end of the archive. It is still in the buffer, and is not sent.
            drop(writer.into_parts());
            Err(error)
        }
    }
}

fn write_tar(mut archive: ZipArchive<io::BufReader<File>>, writer: &mut BufWriter<PipeWriter>) -> io::Result<()> {
    let mut tar = Builder::new(writer);
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index)?;
        let name = entry.name()?.into_owned();
        let mut header = Header::new_gnu();
        header.set_mtime(entry.last_modified().map_or(0, seconds));
        let mode = entry.unix_mode().map(|mode| mode & 0o777);
        if entry.is_symlink() {
            let mut target = String::new();
            entry.by_ref().take(MOST_TARGET).read_to_string(&mut target)?;
            header.set_entry_type(EntryType::Symlink);
            header.set_mode(0o777);
            header.set_size(0);
            tar.append_link(&mut header, name, target)?;
            continue;
        }
        let is_folder = entry.is_dir();
        header.set_entry_type(if is_folder { EntryType::Directory } else { EntryType::Regular });
        header.set_mode(mode.unwrap_or(if is_folder { 0o755 } else { 0o644 }));
        let size = if is_folder { 0 } else { entry.size() };
        header.set_size(size);
        let mut content = entry.by_ref().take(size);
        tar.append_data(&mut header, &name, &mut content)?;
        // The checksum is compared at the end of the content.
        if content.limit() > 0 || entry.read(&mut [0])? > 0 {
            return Err(io::Error::other(format!("`{name}` does not have the size that the archive says")));
        }
    }
    tar.finish()
}

/// Seconds since 1970. Zip archives have local times without a zone, which count as UTC.
fn seconds(time: DateTime) -> u64 {
    let part = |part: u8| i8::try_from(part).unwrap_or_default();
    let year = i16::try_from(time.year()).unwrap_or_default();
    let civil = jiff::civil::DateTime::new(
        year,
        part(time.month()),
        part(time.day()),
        part(time.hour()),
        part(time.minute()),
        part(time.second()),
        0,
    );
    let zoned = civil.and_then(|civil| civil.to_zoned(jiff::tz::TimeZone::UTC));
    zoned.map_or(0, |zoned| u64::try_from(zoned.timestamp().as_second()).unwrap_or_default())
}
