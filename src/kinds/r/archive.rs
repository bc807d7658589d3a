//! Reads package archives: the package's DESCRIPTION, and whether the archive is complete.

use std::{
    fs::File,
    io::{self, BufRead as _, BufReader, Read},
    path::{Component, Path, PathBuf},
};

use flate2::read::MultiGzDecoder;

use super::description::{Description, StanzaError};
use crate::{steps::blocking::run_blocking, task::TaskError};

/// The maximum size of a DESCRIPTION file in bytes.
const MOST_DESCRIPTION: u64 = 1 << 20;

/// Opens an archive and returns its tar stream.
pub(super) fn open(path: &Path) -> io::Result<impl Read + use<>> {
    let mut file = BufReader::with_capacity(64 << 10, File::open(path)?);
    let begins = file.fill_buf()?;
    let reader: Box<dyn Read + Send> = if begins.starts_with(&[0x1f, 0x8b]) {
        Box::new(MultiGzDecoder::new(file))
    } else if begins.get(257..262) == Some(b"ustar") {
        Box::new(file)
    } else {
        return Err(io::Error::other("it is not a package archive (a `.tar.gz` file)"));
    };
    Ok(reader)
}

/// Why an archive cannot be used, as a phrase with "it" as the subject.
#[derive(Debug, thiserror::Error)]
pub(super) enum ArchiveError {
    /// The file could not be read, or is not an archive.
    #[error(transparent)]
    Unreadable(io::Error),
    /// The archive is truncated or damaged.
    #[error("it is damaged")]
    Damaged(#[source] io::Error),
    /// The DESCRIPTION is invalid.
    #[error("its package {0}")]
    Stanza(StanzaError),
    /// The folder in the archive is not named after the package.
    #[error("it contains the folder `{folder}` for package `{package}`")]
    Folder { folder: String, package: String },
    /// The archive has no DESCRIPTION.
    #[error("it contains no package: `DESCRIPTION` is missing")]
    NoDescription,
    /// The archive contains another package or version.
    #[error("it contains {name} {version}")]
    OtherPackage { name: String, version: String },
    /// The package cannot be used with this R, on this machine.
    #[error("it {0}")]
    Misfit(String),
    /// The thread failed.
    #[error("the reading thread failed")]
    Thread(#[from] TaskError),
}

impl ArchiveError {
    /// The error of an archive that contains `found` instead of the expected package.
    pub(super) fn other_package(found: Description) -> Self {
        Self::OtherPackage { name: found.name, version: found.version_text }
    }
}

/// Reads the DESCRIPTION of the package in an archive. `whole` reads the archive to its end, which finds truncated
/// and damaged archives without a digest.
pub(super) fn description(path: &Path, whole: bool) -> Result<Description, ArchiveError> {
    let mut archive = tar::Archive::new(open(path).map_err(ArchiveError::Unreadable)?);
    let mut found = None;
    for entry in archive.entries().map_err(ArchiveError::Unreadable)? {
        let entry = entry.map_err(ArchiveError::Damaged)?;
        if found.is_none() && is_description(&entry.path().map_err(ArchiveError::Unreadable)?) {
            found = Some(read_description(entry)?);
            if !whole {
                break;
            }
        }
    }
    if whole {
        // The gzip checksum comes after the end of the tar stream.
        io::copy(&mut archive.into_inner(), &mut io::sink()).map_err(ArchiveError::Damaged)?;
    }
    found.ok_or(ArchiveError::NoDescription)
}

/// Reads one DESCRIPTION. Its folder must have the name of the package.
fn read_description(mut entry: tar::Entry<'_, impl Read>) -> Result<Description, ArchiveError> {
    let mut bytes = Vec::new();
    entry.by_ref().take(MOST_DESCRIPTION).read_to_end(&mut bytes).map_err(ArchiveError::Unreadable)?;
    let folder = entry.path().ok().and_then(|path| Some(path.components().find_map(name)?.to_owned()));
    let read = Description::parse(&String::from_utf8_lossy(&bytes)).map_err(ArchiveError::Stanza)?;
    if folder.as_deref() != Some(read.name.as_str()) {
        return Err(ArchiveError::Folder { folder: folder.unwrap_or_default(), package: read.name });
    }
    Ok(read)
}

/// The same on a thread for blocking operations.
pub(super) async fn read(path: PathBuf, whole: bool) -> Result<Description, ArchiveError> {
    run_blocking(move || description(&path, whole)).await
}

/// Whether a path is `PACKAGE/DESCRIPTION`, not a DESCRIPTION in a subfolder.
fn is_description(path: &Path) -> bool {
    let mut names = path.components().filter_map(name);
    names.next().is_some() && names.next() == Some("DESCRIPTION") && names.next().is_none()
}

fn name(part: Component<'_>) -> Option<&str> {
    match part {
        Component::Normal(name) => name.to_str(),
        _ => None,
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::io::Write as _;

    use super::*;

    /// A package archive with these files.
    pub(in crate::kinds::r) fn packed(files: &[(&str, &str)]) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        for (path, text) in files {
            let mut header = tar::Header::new_gnu();
            header.set_size(text.len() as u64);
            header.set_mode(0o644);
            builder.append_data(&mut header, path, text.as_bytes()).expect("memory");
        }
        let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gz.write_all(&builder.into_inner().expect("memory")).expect("memory");
        gz.finish().expect("memory")
    }

    fn read(bytes: &[u8], whole: bool) -> Result<String, ArchiveError> {
        let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
        file.write_all(bytes).expect("written");
        let read = description(file.path(), whole)?;
        Ok(format!("{} {}", read.name, read.version_text))
    }

    #[test]
    fn the_description_of_the_package_itself_is_read() {
        let files = [
            ("a/tests/DESCRIPTION", "Package: no\nVersion: 0.0\n"),
            ("./a/DESCRIPTION", "Package: a\nVersion: 1.0-1\n"),
            ("a/inst/b/DESCRIPTION", "Package: no\nVersion: 0.0\n"),
        ];
        assert_eq!(read(&packed(&files), true).expect("a package"), "a 1.0-1");
    }

    #[test]
    fn a_package_under_another_name_is_refused() {
        let error = read(&packed(&[("b/DESCRIPTION", "Package: a\nVersion: 1.0\n")]), false).expect_err("b is not a");
        assert_eq!(error.to_string(), "it contains the folder `b` for package `a`");
    }

    #[test]
    fn a_truncated_archive_is_detected_by_reading_it_completely() {
        let noise: String = (0..200_000_u64).map(|n| char::from(b'a' + (n * n * 7919 % 23) as u8)).collect();
        let bytes = packed(&[("a/DESCRIPTION", "Package: a\nVersion: 1.0\n"), ("a/data", &noise)]);
        let cut = &bytes[..bytes.len() - 20];
        assert_eq!(read(cut, false).expect("a package"), "a 1.0");
        assert!(read(cut, true).is_err());
    }

    #[test]
    fn a_file_that_is_not_an_archive_is_refused() {
        assert!(read(b"<html>", true).expect_err("a page").to_string().contains("not a package archive"));
        assert!(matches!(read(&packed(&[("a/x", "y")]), true), Err(ArchiveError::NoDescription)));
    }
}
