//! Archives: the list of their entries, and unpacking.

use std::{cell::RefCell, io, path::Path};

use super::scratch::{self, ScratchFile};
use crate::{
    fs::{self, Limits, OpenedArchive, Staging, UnpackedNames, archive_names, check_names, deb_control, open_archive},
    kinds,
};

/// The largest content of an entry that is unpacked: a bomb costs time, not a finding.
const LIMITS: Limits = Limits { bytes: 1 << 20, entries: 1000 };

thread_local!(static FILE: RefCell<ScratchFile> = RefCell::new(ScratchFile::new("")));

pub(super) fn list(data: &[u8]) {
    FILE.with_borrow_mut(|file| {
        let path = file.with(data);
        let _ = deb_control(path);
        match open_archive(path) {
            Ok(OpenedArchive::Archive(archive)) => {
                let Ok(names) = archive_names(limited(archive), Path::new("/into")) else { return };
                let checked = check_names(names.iter().map(|name| (name.path.as_path(), &name.kind)));
                assert!(names.iter().all(|name| is_inside(&name.path)), "{names:?}");
                drop(checked);
            }
            Ok(OpenedArchive::File(content)) => drop(io::copy(&mut limited(content), &mut io::sink())),
            Err(_) => {}
        }
    });
}

pub(super) fn unpack(data: &[u8]) {
    FILE.with_borrow_mut(|file| {
        let Ok(OpenedArchive::Archive(archive)) = open_archive(file.with(data)) else { return };
        let around = scratch::folder();
        // A file that an archive could overwrite through `..` or a link.
        let canary = around.path().join("canary");
        fs::replace(&canary, b"unchanged", fs::Attributes::mode(0o600)).expect("the file can be written");
        let staging = Staging::create_in(&around.path().join("a"), "unpacked").expect("a folder can be made");
        let _ = staging.unpack(limited(archive), LIMITS, &UnpackedNames::default());
        let into = staging.place();
        assert_eq!(std::fs::read(&canary).ok().as_deref(), Some(&b"unchanged"[..]), "a file outside was changed");
        assert_eq!(names(around.path()), ["a", "canary"], "a file appeared outside");
        assert_eq!(names(&around.path().join("a")).len(), 1, "a file appeared outside");
        for entry in fs::walk(into) {
            let entry = entry.expect("the unpacked files can be read");
            if entry.file_type().is_symlink() {
                let end = entry.path().canonicalize();
                assert!(end.is_ok_and(|end| end.starts_with(into)) || !entry.path().exists(), "a link ends outside");
            }
        }
    });
}

pub(super) fn r_package(data: &[u8]) {
    FILE.with_borrow_mut(|file| {
        kinds::r::fuzz::archive(file.with(data));
    });
}

/// The beginning of a content: a compressed bomb is stopped by limits of the callers, which are too high for a fuzzer.
fn limited(content: impl io::Read) -> impl io::Read {
    const MOST: u64 = 4 << 20;
    content.take(MOST)
}

fn is_inside(path: &Path) -> bool {
    path.components().all(|part| matches!(part, std::path::Component::Normal(_)))
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).expect("the folder can be read").map(|entry| entry.expect("readable"));
    let mut names: Vec<String> = entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}
