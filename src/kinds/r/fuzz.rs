//! The entry functions of fuzz targets.

use std::path::Path;

use super::{archive, build_log, description::Description, hints, index::Index, version::version};

/// The index of a repository, and the text as a DESCRIPTION.
pub(crate) fn index(data: &[u8]) {
    let r = version("4.2.2").expect("a version");
    if let Ok(index) = Index::read(data) {
        let names: Vec<&str> = index.names().collect();
        for name in names.iter().take(20) {
            for found in index.versions(name) {
                match found {
                    Ok(found) => {
                        assert_eq!(found.name, *name);
                        drop(found.misfit(&r));
                    }
                    Err(error) => drop(error.to_string()),
                }
            }
        }
    }
    match Description::parse(&String::from_utf8_lossy(data)) {
        Ok(found) => {
            assert!(!found.version_text.contains('/') && !found.name.contains('/'), "a name leads out of a folder");
            let _ = (found.misfit(&r), found.packages().map(ToString::to_string).collect::<Vec<_>>());
        }
        Err(error) => drop(error.to_string()),
    }
}

/// An archive of a package.
pub(crate) fn archive(path: &Path) {
    for whole in [false, true] {
        match archive::description(path, whole) {
            Ok(found) => drop(found.name),
            Err(error) => drop(error.to_string()),
        }
    }
}

/// The output of a build.
pub(crate) fn output(text: &str) {
    build_log::relevant_lines(text);
    if let Some(remedy) = hints::remedy(text) {
        hints::combined([remedy]);
    }
}
