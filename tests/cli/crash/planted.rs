//! The recorder and the model together find a mistake that a program really makes: a file is replaced without an fsync
//! before the rename. `perl` is part of every Debian.

use std::collections::BTreeSet;

use super::{call::OPTIONS, disk::Disk, scenario::history, states::states};
use crate::support::put;

const START: &str = "use IO::Handle; open(my $f, '>', 't') or die; print $f 'new content'; $f->flush;";
const RENAME: &str = "close $f; rename('t', 'x') or die; open(my $d, '<', '.') or die; $d->sync or die;";

/// The contents of `x` in all states of a script that replaces it.
fn contents(script: &str) -> BTreeSet<String> {
    let (folder, traces) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
    put(&folder.path().join("x"), "old");
    let before = Disk::read(folder.path());
    let trace = traces.path().join("trace");
    let mut command = assert_cmd::Command::new("/usr/bin/strace");
    command.args(OPTIONS).arg("--output").arg(&trace).args(["/usr/bin/perl", "-e", script]);
    command.current_dir(folder.path()).assert().success();
    let history = history(folder.path(), before, &trace);
    assert_eq!(history.after().content("x"), Some(&b"new content"[..]));
    let states = states(&history, 1000, &mut fastrand::Rng::with_seed(1));
    states.iter().map(|state| String::from_utf8_lossy(state.disk.content("x").expect("there")).into_owned()).collect()
}

#[test]
fn a_replacement_without_fsync_is_found_as_torn() {
    let whole = BTreeSet::from(["new content".to_owned(), "old".to_owned()]);
    assert_eq!(contents(&format!("{START} $f->sync or die; {RENAME}")), whole);
    let torn = contents(&format!("{START} {RENAME}"));
    for text in ["", "new", "\0\0\0\0\0\0\0\0\0\0\0"] {
        assert!(torn.contains(text), "{text:?} is not among {torn:?}");
    }
}
