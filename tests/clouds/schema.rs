//! The JSON Schema in the validator of editors: taplo accepts and refuses the same profiles as the parser.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use crate::{
    server::client,
    support::{agent_in, entries, project, put},
};

/// Invalid profiles that the schema accepts, because they break rules about meaning.
const BEYOND_SHAPE: &str = include_str!("../fixtures/profiles/beyond_shape.txt");

/// The profiles of a folder, without those that taplo cannot read: it takes a byte order mark for a mistake.
fn profiles(folder: &str) -> Vec<PathBuf> {
    let is_profile = |path: &PathBuf| {
        path.extension().is_some_and(|ending| ending == "toml")
            && std::fs::read(path).is_ok_and(|bytes| !bytes.starts_with("\u{feff}".as_bytes()))
    };
    entries(&project().join(folder)).into_iter().filter(is_profile).collect()
}

/// Whether taplo accepts all of these profiles, and its output. Its output may lack a line, so only its status counts.
fn accepts(schema: &Path, profiles: &[PathBuf]) -> (bool, String) {
    let mut taplo = client("taplo");
    taplo.args(["lint", "--no-auto-config", "--colors", "never", "--schema"]);
    taplo.arg(format!("file://{}", schema.display())).args(profiles).env("RUST_LOG", "error");
    let output = taplo.output().expect("taplo starts");
    (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn taplo_accepts_good_profiles_and_refuses_each_profile_of_invalid_shape() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let schema = folder.path().join("schema.json");
    put(&schema, &agent_in(project(), &["schema"]).ended(0).stdout);

    let beyond: BTreeSet<&str> = BEYOND_SHAPE.lines().collect();
    let has_good_shape = |path: &PathBuf| {
        let name = path.file_stem().and_then(|name| name.to_str()).expect("a name");
        // taplo takes a date for a text.
        beyond.contains(name) || name == "name_is_a_date"
    };
    let (beyond, of_shape): (Vec<_>, Vec<_>) =
        profiles("tests/fixtures/profiles/bad").into_iter().partition(has_good_shape);
    let good = [profiles("tests/fixtures/profiles/good"), profiles("profiles"), beyond].concat();
    let (accepted, said) = accepts(&schema, &good);
    assert!(accepted, "{said}");

    let accepted: Vec<_> = of_shape.iter().filter(|path| accepts(&schema, std::slice::from_ref(path)).0).collect();
    assert!(accepted.is_empty(), "{accepted:?}");
    assert!(good.len() > 30 && of_shape.len() > 50, "{} and {}", good.len(), of_shape.len());
}
