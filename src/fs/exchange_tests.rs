//! Another program exchanges folders with links while files are written. Nothing outside may change.

use std::{
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, AtomicU32, Ordering},
};

use nix::{
    errno::Errno,
    fcntl::{AT_FDCWD, RenameFlags, renameat2},
    unistd::symlinkat,
};

use super::{FsError, Limits, Staging, UnpackedNames, folder::Folder, node_path, put, unpack::unpack_below};

/// How often a file is written.
const ROUNDS: u32 = 1000;
/// The folder that is exchanged with a link.
const FOLDER: &str = "pkg/sub";

/// A folder in which another program exchanges a folder with a link to a folder outside.
struct Attack {
    temp: tempfile::TempDir,
}

impl Attack {
    fn new() -> Self {
        let temp = tempfile::tempdir().expect("a temporary folder");
        let attack = Self { temp };
        std::fs::create_dir_all(attack.library().join(FOLDER)).expect("created");
        put(&attack.outside().join("f0"), "outside");
        std::os::unix::fs::symlink(attack.outside(), attack.library().join("link")).expect("linked");
        attack
    }

    fn library(&self) -> PathBuf {
        self.temp.path().join("library")
    }

    fn outside(&self) -> PathBuf {
        self.temp.path().join("outside")
    }

    /// Runs the function many times while the folder and the link are exchanged, and checks the folder outside.
    fn during(&self, what: &str, write: impl Fn(&Folder, &Path) -> Result<(), FsError> + Sync) {
        let (folder, link) = (self.library().join(FOLDER), self.library().join("link"));
        let (has_ended, exchanged) = (AtomicBool::new(false), AtomicU32::new(0));
        let library = node_path::open_existing(&self.library()).expect("it exists");
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !has_ended.load(Ordering::Relaxed) {
                    let result = renameat2(AT_FDCWD, &folder, AT_FDCWD, &link, RenameFlags::RENAME_EXCHANGE);
                    exchanged.fetch_add(u32::from(result.is_ok()), Ordering::Relaxed);
                }
            });
            let mut done = (0, 0);
            for _ in 0..ROUNDS {
                match write(&library, &self.library()) {
                    Ok(()) => done.0 += 1,
                    Err(_) => done.1 += 1,
                }
                if !self.is_unchanged() {
                    break;
                }
            }
            has_ended.store(true, Ordering::Relaxed);
            assert!(done.0 > 0, "{what}: {done:?}");
        });
        assert!(self.is_unchanged(), "{what} changed the folder outside");
        assert!(exchanged.into_inner() > 0, "the file system of temporary files can exchange names");
    }

    fn is_unchanged(&self) -> bool {
        let count = std::fs::read_dir(self.outside()).expect("readable").count();
        let first = std::fs::read_to_string(self.outside().join("f0")).ok();
        (count, first.as_deref()) == (1, Some("outside"))
    }
}

fn archive(files: u32) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for number in 1..=files {
        let mut header = tar::Header::new_gnu();
        header.set_size(1);
        header.set_mode(0o644);
        tar.append_data(&mut header, format!("{FOLDER}/f{number}"), &b"x"[..]).expect("packed");
    }
    tar.into_inner().expect("complete")
}

#[test]
fn archives_are_unpacked_only_inside() {
    let attack = Attack::new();
    let archive = archive(4);
    attack.during("unpack", |library, path| {
        let clean = || -> Result<(), FsError> {
            for at in [FOLDER, "link"] {
                for number in 1..=4 {
                    super::remove(&path.join(at).join(format!("f{number}")))?;
                }
            }
            Ok(())
        };
        // The cleaning follows links, but no file outside has these names.
        clean()?;
        unpack_below(&archive[..], library, path, Limits::default(), &UnpackedNames::default())
    });
}

#[test]
fn staged_files_are_merged_only_inside() {
    let attack = Attack::new();
    let archive = archive(1);
    attack.during("merge", |_, path| {
        let staging = Staging::create_in(path, "new")?;
        staging.unpack(&archive[..], Limits::default(), &UnpackedNames::default())?;
        staging.first_conflict(path)?;
        staging.merge_into(path, |_| 0)?;
        for at in [FOLDER, "link"] {
            super::remove(&path.join(at).join("f1"))?;
        }
        Ok(())
    });
}

#[test]
fn folders_are_removed_only_inside() {
    let attack = Attack::new();
    attack.during("remove", |library, path| {
        super::remove_tree(&path.join("pkg"))?;
        super::remove_tree(&path.join("link"))?;
        let failed = |error: Errno| FsError::new(path, "created")(error.into());
        let inside = library.make_below(Path::new(FOLDER), 0o755).map_err(failed)?;
        inside.create("f0".as_ref()).map_err(failed)?;
        symlinkat(&attack.outside(), library.fd(), "link").map_err(failed)
    });
}
