use std::{collections::BTreeSet, path::Path};

use super::TARGETS;

/// Paths of files in a folder of `tests/fuzz`.
fn files(folder: &str) -> Vec<std::path::PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz").join(folder);
    let entries = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    entries.map(|entry| entry.expect("readable").path()).collect()
}

#[test]
fn every_target_has_a_program_and_a_corpus() {
    let names: BTreeSet<String> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    let in_folder = |folder: &str| -> BTreeSet<String> {
        files(folder).iter().map(|path| path.file_stem().expect("a name").to_string_lossy().into_owned()).collect()
    };
    assert_eq!(in_folder("src/bin"), names);
    assert_eq!(in_folder("corpus"), names);
}

#[test]
fn no_file_of_the_corpora_is_a_finding() {
    for (name, target) in TARGETS {
        let inputs = files(&format!("corpus/{name}"));
        assert!(!inputs.is_empty(), "{name} has no corpus");
        for input in inputs {
            target(&std::fs::read(&input).expect("readable"));
        }
    }
}
