use std::{
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
};

use super::{OpenedArchive, deb_control, open_archive};
use crate::fs::{archive_names, put, unpack};

/// A tar archive with `top/a` and a link to it.
fn tar() -> Vec<u8> {
    let mut tar = ::tar::Builder::new(Vec::new());
    let mut header = ::tar::Header::new_gnu();
    header.set_size(5);
    header.set_mode(0o755);
    header.set_mtime(1_700_000_000);
    tar.append_data(&mut header, "top/a", &b"hello"[..]).expect("packed");
    let mut link = ::tar::Header::new_gnu();
    link.set_entry_type(::tar::EntryType::Symlink);
    link.set_size(0);
    tar.append_link(&mut link, "top/b", "a").expect("packed");
    tar.into_inner().expect("complete")
}

fn gz(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).expect("written");
    encoder.finish().expect("complete")
}

fn bz2(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
    encoder.write_all(bytes).expect("written");
    encoder.finish().expect("complete")
}

/// `printf text | xz`
const XZ: [u8; 60] = [
    0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00, 0x00, 0x04, 0xe6, 0xd6, 0xb4, 0x46, 0x02, 0x00, 0x21, 0x01, 0x16, 0x00, 0x00,
    0x00, 0x74, 0x2f, 0xe5, 0xa3, 0x01, 0x00, 0x03, 0x74, 0x65, 0x78, 0x74, 0x00, 0x55, 0xcd, 0xe8, 0x33, 0xff, 0x4a,
    0x0c, 0x17, 0x00, 0x01, 0x1c, 0x04, 0x6f, 0x2c, 0x9c, 0xc1, 0x1f, 0xb6, 0xf3, 0x7d, 0x01, 0x00, 0x00, 0x00, 0x00,
    0x04, 0x59, 0x5a,
];

fn zst(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 1).expect("compressed")
}

fn zipped(write: impl FnOnce(&mut ::zip::ZipWriter<io::Cursor<Vec<u8>>>)) -> Vec<u8> {
    let mut archive = ::zip::ZipWriter::new(io::Cursor::new(Vec::new()));
    write(&mut archive);
    archive.finish().expect("complete").into_inner()
}

/// A tar archive with the control file of a package.
fn control() -> Vec<u8> {
    let mut tar = ::tar::Builder::new(Vec::new());
    let text = b"Package: x\n";
    let mut header = ::tar::Header::new_gnu();
    header.set_size(text.len() as u64);
    tar.append_data(&mut header, "./control", &text[..]).expect("packed");
    tar.into_inner().expect("complete")
}

fn deb(data: &[u8], name: &str) -> Vec<u8> {
    let mut archive = b"!<arch>\n".to_vec();
    for (name, bytes) in [("debian-binary", &b"2.0\n"[..]), ("control.tar.gz", &gz(&control())[..]), (name, data)] {
        let size = bytes.len();
        archive.extend(format!("{name:<16}{:<12}{:<6}{:<6}{:<8}{size:<10}`\n", 0, 0, 0, 100_644).into_bytes());
        archive.extend(bytes);
        archive.extend(vec![b'\n'; size % 2]);
    }
    archive
}

/// Writes a file and opens it.
fn open(bytes: &[u8]) -> (tempfile::TempDir, io::Result<OpenedArchive>) {
    let temp = tempfile::tempdir().expect("a temporary folder");
    let path = temp.path().join("file");
    crate::fs::replace(&path, bytes, crate::fs::Attributes::default()).expect("written");
    let opened = open_archive(&path);
    (temp, opened)
}

fn files_of(bytes: &[u8], name: &str) -> Vec<(PathBuf, String)> {
    let (temp, opened) = open(bytes);
    let Ok(OpenedArchive::Archive(archive)) = opened else { panic!("`{name}` is an archive") };
    let into = temp.path().join("into");
    unpack(archive, &into).unwrap_or_else(|error| panic!("{name}: {error:?}"));
    let files =
        crate::fs::walk(&into).map(|entry| entry.expect("readable")).filter(|entry| !entry.file_type().is_dir());
    let named = |entry: crate::fs::DirEntry| {
        let text = std::fs::read_to_string(entry.path()).expect("readable");
        (entry.path().strip_prefix(&into).expect("below").to_owned(), text)
    };
    files.map(named).collect()
}

#[test]
fn all_formats_have_the_same_content() {
    let zip = zipped(|archive| {
        archive.start_file("top/a", ::zip::write::SimpleFileOptions::default()).expect("begun");
        archive.write_all(b"hello").expect("written");
        archive.add_symlink("top/b", "a", ::zip::write::SimpleFileOptions::default()).expect("written");
    });
    let expected = [("top/a".into(), "hello".to_owned()), ("top/b".into(), "hello".to_owned())];
    let archives = [
        ("x.tar", tar()),
        ("x.tgz", gz(&tar())),
        ("x.tar.zst", zst(&tar())),
        ("x.tbz2", bz2(&tar())),
        ("x.zip", zip),
        ("x.deb", deb(&gz(&tar()), "data.tar.gz")),
        ("x_zst.deb", deb(&zst(&tar()), "data.tar.zst")),
        ("x_plain.deb", deb(&tar(), "data.tar")),
        ("without an ending", gz(&tar())),
    ];
    for (name, bytes) in archives {
        assert_eq!(files_of(&bytes, name), expected, "{name}");
    }
}

#[test]
fn a_single_compressed_file_is_a_file() {
    let files = [("x.gz", gz(b"text")), ("x.zst", zst(b"text")), ("x.bz2", bz2(b"text")), ("x.xz", XZ.to_vec())];
    for (name, bytes) in files {
        let (_temp, opened) = open(&bytes);
        let Ok(OpenedArchive::File(mut file)) = opened else { panic!("`{name}` is a file") };
        let mut text = String::new();
        file.read_to_string(&mut text).expect("readable");
        assert_eq!(text, "text", "{name}");
    }
}

#[test]
fn other_files_are_errors() {
    for bytes in [&b""[..], b"#!/bin/sh\n", &[0; 1024]] {
        let (_temp, opened) = open(bytes);
        let error = opened.err().expect("no archive").to_string();
        assert!(error.contains("not a tar, zip or deb archive"), "{error}");
    }
}

#[test]
fn a_damaged_zip_archive_is_an_error_and_not_the_end() {
    let mut bytes = zipped(|archive| {
        let stored = ::zip::write::SimpleFileOptions::default().compression_method(::zip::CompressionMethod::Stored);
        archive.start_file("a", stored).expect("begun");
        archive.write_all(&[b'x'; 4096]).expect("written");
    });
    bytes[1000] = b'y';
    let (_temp, opened) = open(&bytes);
    let Ok(OpenedArchive::Archive(archive)) = opened else { panic!("an archive") };
    assert!(archive_names(archive, Path::new("x")).is_err(), "the checksum is wrong");
}

#[test]
fn names_outside_the_folder_are_errors_in_all_formats() {
    let zip = zipped(|archive| {
        archive.start_file("xx/a", ::zip::write::SimpleFileOptions::default()).expect("begun");
    });
    // The writer of the crate does not accept the name.
    let zip = regex::bytes::Regex::new("xx/a").expect("a pattern").replace_all(&zip, &b"../a"[..]).into_owned();
    let (temp, opened) = open(&zip);
    let Ok(OpenedArchive::Archive(archive)) = opened else { panic!("an archive") };
    put(&temp.path().join("into/keep"), "");
    assert!(unpack(archive, &temp.path().join("into")).is_err());
    assert!(!temp.path().join("a").exists());
}

#[test]
fn the_control_file_of_a_package_is_read() {
    let temp = tempfile::tempdir().expect("a temporary folder");
    let path = temp.path().join("file");
    let read = |bytes: &[u8]| {
        crate::fs::replace(&path, bytes, crate::fs::Attributes::default()).expect("written");
        deb_control(&path).map_err(|error| error.to_string())
    };
    assert_eq!(read(&deb(&tar(), "data.tar")), Ok("Package: x\n".to_owned()));
    let without = |bytes: &[u8]| read(bytes).expect_err("no package");
    assert!(without(b"!<arch>\n").contains("it has no member `control.tar`"));
    assert!(without(&tar()).contains("it is not a Debian package"));
}
