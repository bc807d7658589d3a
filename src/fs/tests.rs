use std::os::unix::fs::symlink;

use std::path::Path;

use super::*;

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> = std::fs::read_dir(folder)
        .expect("the folder is there")
        .map(|entry| entry.expect("readable").file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

#[test]
fn only_temporary_files_of_killed_runs_are_removed() {
    let temp = tempfile::tempdir().expect("a temporary folder");
    let put = |name: &str| replace(&temp.path().join(name), b"", Attributes::default()).expect("written");
    let is_there = |name: &str| temp.path().join(name).exists();
    for name in ["a", ".a.12-0.nodeagent", ".b.12-1.nodeagent", "below/.c.12-2.nodeagent", "uv/.d.12-3.nodeagent"] {
        put(name);
    }
    remove_partial_files_of(&temp.path().join("a")).expect("removed");
    assert!(is_there("a") && !is_there(".a.12-0.nodeagent") && is_there(".b.12-1.nodeagent"));
    remove_partial_files_below(temp.path(), &temp.path().join("uv")).expect("removed");
    assert!(is_there("a") && !is_there(".b.12-1.nodeagent") && !is_there("below/.c.12-2.nodeagent"));
    assert!(is_there("uv/.d.12-3.nodeagent"));
}

#[test]
fn a_temporary_file_stays_while_its_process_runs() {
    let temp = tempfile::tempdir().expect("a temporary folder");
    // Process ids end at 4,194,304; process 1 runs another program.
    let ours = format!(".report.json.{}-4-0badc0de.nodeagent", std::process::id());
    for name in ["x/.report.json.4194305-4-0badc0de.nodeagent", ".report.json.1-4-0badc0de.nodeagent", &ours, "kept"] {
        replace(&temp.path().join(name), b"", Attributes::default()).expect("written");
    }
    remove_abandoned_partial_files_below(temp.path()).expect("removed");
    assert_eq!(names(temp.path()), [&ours, "kept", "x"]);
    assert_eq!(names(&temp.path().join("x")), [""; 0]);
}

#[test]
fn a_new_file_is_complete_and_leaves_no_temporary_file() {
    let temp = tempfile::tempdir().expect("a temporary folder");
    let path = temp.path().join("deep/er/x");
    replace(&path, b"hello", Attributes::mode(0o400)).expect("it can be written");
    let found = read(&path).expect("readable").expect("there");
    assert_eq!((found.bytes.as_deref(), found.mode), (Some(&b"hello"[..]), 0o400));
    assert_eq!(names(&temp.path().join("deep/er")), ["x"]);
}

#[test]
fn an_existing_file_keeps_its_permissions() {
    let temp = tempfile::tempdir().expect("a temporary folder");
    let path = temp.path().join("x");
    replace(&path, b"1", Attributes::mode(0o640)).expect("it can be written");
    replace(&path, b"2", Attributes::default()).expect("it can be replaced");
    assert_eq!(read(&path).expect("readable").expect("there").mode, 0o640);
}

#[test]
fn a_partial_file_is_invisible_and_is_removed_on_drop() {
    let temp = tempfile::tempdir().expect("a temporary folder");
    let path = temp.path().join("x");
    let mut partial = PartialFile::create(&path, Attributes::default()).expect("it can be begun");
    partial.write(b"half").expect("it can be written");
    assert!(!path.exists());
    drop(partial);
    assert_eq!(names(temp.path()), Vec::<String>::new());
}

#[test]
fn own_links_are_followed_and_kept() {
    let temp = tempfile::tempdir().expect("a temporary folder");
    std::fs::create_dir(temp.path().join("real")).expect("created");
    symlink("real", temp.path().join("alias")).expect("linked");
    symlink("target", temp.path().join("real/x")).expect("linked");
    replace(&temp.path().join("alias/x"), b"hello", Attributes::default()).expect("it can be written");
    assert_eq!(std::fs::read(temp.path().join("real/target")).expect("written"), b"hello");
    assert!(temp.path().join("real/x").is_symlink());
}

#[test]
fn a_folder_that_others_can_change_or_exchange_is_not_roots_alone() {
    let temp = tempfile::tempdir().expect("a temporary folder");
    let (outer, inner) = (temp.path().join("outer"), temp.path().join("outer/bin"));
    std::fs::create_dir_all(&inner).expect("created");
    let set = |path: &Path, mode: u32| {
        std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(mode)).expect("set");
    };
    for (outer_mode, inner_mode, expected) in [
        (0o755, 0o755, true),
        (0o700, 0o700, true),
        (0o755, 0o757, false),
        (0o755, 0o1777, false),
        (0o757, 0o755, false),
        (0o1777, 0o755, true),
    ] {
        set(&outer, outer_mode);
        set(&inner, inner_mode);
        assert_eq!(is_writable_only_by_root(Path::new("/"), &inner), expected, "{outer_mode:o} {inner_mode:o}");
    }
    assert!(!is_writable_only_by_root(Path::new("/"), &temp.path().join("missing")));
}

#[test]
fn a_large_file_of_another_user_is_not_read() {
    if !nix::unistd::Uid::effective().is_root() {
        return; // only root can give a file away
    }
    let temp = tempfile::tempdir().expect("a temporary folder");
    let path = temp.path().join(".pgpass");
    let sparse = std::fs::File::create(&path).expect("created");
    sparse.set_len(300 << 20).expect("a sparse file");
    std::os::unix::fs::lchown(&path, Some(12_345), Some(12_345)).expect("root may");
    let error = read(&path).expect_err("it is too large");
    assert!(matches!(error, FsError::TooLarge { uid: 12_345, limit: 1_048_576, .. }), "{error:?}");
    sparse.set_len(1 << 20).expect("a smaller file");
    assert_eq!(read(&path).expect("readable").and_then(|found| found.bytes).map(|bytes| bytes.len()), Some(1 << 20));
}

#[test]
fn a_link_of_another_user_is_not_followed() {
    if !nix::unistd::Uid::effective().is_root() {
        return; // only root can give a link away
    }
    let temp = tempfile::tempdir().expect("a temporary folder");
    let link = temp.path().join("planted");
    symlink("/etc", &link).expect("linked");
    std::os::unix::fs::lchown(&link, Some(12_345), Some(12_345)).expect("root may");
    for path in [link.join("x"), link.clone()] {
        let error = replace(&path, b"", Attributes::default()).expect_err("a planted link");
        assert!(matches!(error, FsError::ForeignLink { uid: 12_345, .. }), "{error:?}");
    }
}

#[test]
fn a_folder_in_a_home_belongs_to_the_user_also_after_a_kill() {
    use std::os::unix::fs::MetadataExt as _;
    if !nix::unistd::Uid::effective().is_root() {
        return; // only root can give a folder away
    }
    let home = tempfile::tempdir().expect("a temporary folder");
    std::os::unix::fs::lchown(home.path(), Some(12_345), Some(12_346)).expect("root may");
    // A run was killed before it gave the folder away.
    std::fs::create_dir(home.path().join(".outer.nodeagent")).expect("created");
    create_dirs(&home.path().join("outer/inner"), 0o700).expect("created");
    for folder in ["outer", "outer/inner"] {
        let found = std::fs::metadata(home.path().join(folder)).expect("it is there");
        assert_eq!((found.uid(), found.gid()), (12_345, 12_346), "{folder}");
    }
    assert_eq!(names(home.path()), ["outer"]);
    assert_eq!(names(&home.path().join("outer")), ["inner"]);
}

#[test]
fn removing_a_missing_file_is_accepted() {
    let temp = tempfile::tempdir().expect("a temporary folder");
    remove(&temp.path().join("x")).expect("fine");
    remove_tree(&temp.path().join("x")).expect("fine");
}
