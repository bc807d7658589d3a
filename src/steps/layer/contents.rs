//! Lists the files of a layer: the files that the lock's packages installed, and no others.

use std::{
    collections::BTreeSet,
    path::{Component, Path, PathBuf},
};

use super::LayerError;
use crate::{
    facts::{
        PythonEnv,
        python::{RecordEntry, bytecode_path},
    },
    fs::walk,
    plan::{Environment, Layer, LayerPackage},
};

/// The files, links and empty folders of a layer, as paths below its base. Files with a recorded digest are verified.
pub(super) fn files(layer: &Layer) -> Result<Vec<PathBuf>, LayerError> {
    let mut files = BTreeSet::new();
    match layer.of {
        Environment::Python => of_python(layer, &mut files)?,
        Environment::R => {
            for name in layer.packages.keys() {
                all_below(&layer.base, Path::new(name), &mut files)?;
            }
        }
    }
    Ok(files.into_iter().collect())
}

/// Adds the files in each distribution's RECORD, and their byte code.
fn of_python(layer: &Layer, files: &mut BTreeSet<PathBuf>) -> Result<(), LayerError> {
    let env = PythonEnv::read(&layer.program)?;
    let folder = layer
        .folder
        .strip_prefix(&layer.base)
        .map_err(|_| LayerError::OutsideBase { folder: layer.folder.clone(), base: layer.base.clone() })?;
    for (name, LayerPackage { version, .. }) in &layer.packages {
        let found = env.distributions.get(name).filter(|found| found.is_complete && found.version == *version);
        let found = found.ok_or_else(|| LayerError::NotInstalled { name: name.clone(), version: version.clone() })?;
        if found.folder.parent() != Some(&*layer.folder) {
            let (found, expected) = (found.folder.clone(), layer.folder.clone());
            return Err(LayerError::OtherFolder { name: name.clone(), found, expected });
        }
        for file in found.files().map_err(LayerError::unreadable(found.folder.join("RECORD")))? {
            let path = below(folder, &file.path).ok_or_else(|| LayerError::FileOutsideBase {
                name: name.clone(),
                file: file.path.clone(),
                base: layer.base.clone(),
            })?;
            verify(name, &file, layer, &path)?;
            let code = bytecode_path(&path, &env.tag());
            files.extend(code.filter(|code| layer.compile && layer.base.join(code).is_file()));
            files.insert(path);
        }
    }
    Ok(())
}

/// Checks that a recorded file exists and has its recorded digest, if there is one. `path` is below the layer's base.
fn verify(name: &str, entry: &RecordEntry, layer: &Layer, path: &Path) -> Result<(), LayerError> {
    let file = layer.base.join(path);
    let is_unchanged = entry.matches_record(&layer.folder).map_err(LayerError::unreadable(&file))?;
    if !file.is_file() && entry.sha256.is_none() {
        return Err(LayerError::MissingFile { name: name.to_owned(), file });
    }
    if is_unchanged { Ok(()) } else { Err(LayerError::ChangedFile { name: name.to_owned(), file }) }
}

/// Resolves a path of a RECORD to a path below the base. `None` if it points outside the base.
fn below(folder: &Path, path: &str) -> Option<PathBuf> {
    let mut parts: Vec<&std::ffi::OsStr> = folder.iter().collect();
    for part in Path::new(path).components() {
        match part {
            Component::Normal(name) => parts.push(name),
            Component::CurDir => {}
            Component::ParentDir => {
                parts.pop()?;
            }
            Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    (!parts.is_empty()).then(|| parts.into_iter().collect())
}

fn all_below(base: &Path, name: &Path, files: &mut BTreeSet<PathBuf>) -> Result<(), LayerError> {
    let folder = base.join(name);
    for entry in walk(&folder) {
        let path = entry.map_err(|error| LayerError::unreadable(&folder)(error))?.into_path();
        files.extend(path.strip_prefix(base).ok().map(Path::to_owned));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        fs::{Attributes, replace},
        steps::layer::key::tests::layer,
    };

    fn write(root: &Path, path: &str, text: &str) {
        replace(&root.join(path), text.as_bytes(), Attributes::mode(0o644)).expect("written");
    }

    /// An environment with `x` 1, which has a module with byte code, a script and an unrecorded file.
    fn environment(root: &Path, extra: &str) -> Layer {
        let packages = "lib/python3.11/site-packages";
        write(root, &format!("{packages}/x/a.py"), "hello");
        write(root, &format!("{packages}/x/__pycache__/a.cpython-311.pyc"), "code");
        write(root, &format!("{packages}/x/stray.txt"), "unrecorded");
        write(root, &format!("{packages}/x-1.dist-info/METADATA"), "Name: x\nVersion: 1\n");
        write(root, "bin/x", "#!/usr/bin/python3\n");
        let hello = "LPJNul-wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ";
        let record = format!("x/a.py,sha256={hello},5\n../../../bin/x,,\nx-1.dist-info/METADATA,,\n{extra}");
        write(root, &format!("{packages}/x-1.dist-info/RECORD"), &record);
        layer(root)
    }

    #[test]
    fn a_distribution_has_its_recorded_files_and_their_byte_code() {
        let temp = tempfile::tempdir().expect("a temporary folder");
        let layer = environment(temp.path(), "");
        let found = files(&layer).expect("all is there");
        let shown: Vec<&str> = found.iter().filter_map(|path| path.to_str()).collect();
        let packages = "lib/python3.11/site-packages";
        let expected = [
            "bin/x".to_owned(),
            format!("{packages}/x/__pycache__/a.cpython-311.pyc"),
            format!("{packages}/x/a.py"),
            format!("{packages}/x-1.dist-info/METADATA"),
        ];
        assert_eq!(shown, expected);
    }

    #[test]
    fn changed_files_are_not_stored() {
        let temp = tempfile::tempdir().expect("a temporary folder");
        let layer = environment(temp.path(), "");
        write(temp.path(), "lib/python3.11/site-packages/x/a.py", "evil!");
        assert!(matches!(files(&layer), Err(LayerError::ChangedFile { .. })));
        for (extra, words) in [("x/gone.py,,\n", "is missing"), ("../../../../../etc/x,,\n", "which is not in")] {
            let temp = tempfile::tempdir().expect("a temporary folder");
            let layer = environment(temp.path(), extra);
            assert!(files(&layer).is_err_and(|error| error.to_string().contains(words)), "{words}");
        }
        let mut newer = layer;
        newer.packages.insert("x".into(), LayerPackage { version: "2".into(), sha256: String::new() });
        assert!(files(&newer).is_err_and(|error| error.to_string() == "`x` 2 is not installed"));
    }
}
