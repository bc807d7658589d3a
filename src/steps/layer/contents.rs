//! Lists the files of a layer: the files that the lock's packages installed, and no others.

use std::{
    collections::BTreeSet,
    path::{Component, Path, PathBuf},
};

use super::{Why, words};
use crate::{
    facts::{PythonEnv, python::bytecode_path},
    fs::walk,
    plan::{Environment, Layer},
};

/// The files, links and empty folders of a layer, as paths below its base. Files with a recorded digest are verified.
pub(super) fn files(layer: &Layer) -> Result<Vec<PathBuf>, Why> {
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
fn of_python(layer: &Layer, files: &mut BTreeSet<PathBuf>) -> Result<(), Why> {
    let env = PythonEnv::read(&layer.program).map_err(|error| words(&error))?;
    let tag = env.tag();
    let folder = layer.folder.strip_prefix(&layer.base).map_err(|error| error.to_string())?;
    for (name, package) in &layer.packages {
        let found = env.distributions.get(name).filter(|found| found.is_complete && found.version == package.version);
        let found = found.ok_or_else(|| format!("`{name}` {} is not there", package.version))?;
        if found.folder.parent() != Some(&*layer.folder) {
            return Err(format!("`{name}` is in `{}`, not in `{}`", found.folder.display(), layer.folder.display()));
        }
        for file in found.files().map_err(|error| format!("the RECORD of `{name}` could not be read: {error}"))? {
            let path = below(folder, &file.path)
                .ok_or_else(|| format!("`{name}` has `{}`, which is not in `{}`", file.path, layer.base.display()))?;
            let on_node = layer.base.join(&path);
            let is_there = on_node.is_file() || file.sha256.is_some();
            let same = file.matches_record(&layer.folder);
            let same =
                same.map_err(|error| format!("`{}` of `{name}` could not be read: {error}", on_node.display()))?;
            if !is_there {
                return Err(format!("`{}` of `{name}` is not there", on_node.display()));
            }
            if !same {
                return Err(format!("`{}` of `{name}` was changed after it was installed", on_node.display()));
            }
            let code = bytecode_path(&path, &tag);
            let code = code.filter(|code| layer.compile && layer.base.join(code).is_file());
            files.extend(code);
            files.insert(path);
        }
    }
    Ok(())
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

fn all_below(base: &Path, name: &Path, files: &mut BTreeSet<PathBuf>) -> Result<(), Why> {
    let unread = |error| format!("`{}` could not be read: {error}", base.join(name).display());
    for entry in walk(&base.join(name)) {
        let path = entry.map_err(unread)?.into_path();
        files.extend(path.strip_prefix(base).ok().map(Path::to_owned));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        fs::{Attributes, replace},
        plan::LayerPackage,
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
        write(root, &format!("{packages}/x/stray.txt"), "nobody's");
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
        assert!(files(&layer).is_err_and(|why| why.contains("was changed after it was installed")));
        for (extra, words) in [("x/gone.py,,\n", "is not there"), ("../../../../../etc/x,,\n", "which is not in")] {
            let temp = tempfile::tempdir().expect("a temporary folder");
            let layer = environment(temp.path(), extra);
            assert!(files(&layer).is_err_and(|why| why.contains(words)), "{words}");
        }
        let mut newer = layer;
        newer.packages.insert("x".into(), LayerPackage { version: "2".into(), sha256: String::new() });
        assert_eq!(files(&newer), Err("`x` 2 is not there".to_owned()));
    }
}
