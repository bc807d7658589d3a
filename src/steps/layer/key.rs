//! Computes the key of a layer from everything that determines whether a node can use it.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use serde::Serialize;

use super::LayerError;
use crate::{
    digest::Digest,
    plan::{Environment, Layer, LayerPackage},
    store::{Key, Kind},
};

/// The inputs of a layer's key. Renaming a field changes the keys of all layers.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct KeyInputs<'a> {
    of: Environment,
    /// The runtime of the lock: operating system, processor and versions.
    runtime: &'a str,
    version: &'a str,
    /// The path of the interpreter, which scripts contain.
    program: PathBuf,
    /// SHA-256 of the interpreter's files.
    engine: Vec<String>,
    base: PathBuf,
    folder: PathBuf,
    /// The lock's packages in this layer.
    packages: &'a BTreeMap<String, LayerPackage>,
    /// SHA-256 of the metadata file of each package that the runtime ships. A RECORD covers the digests of all files
    /// of its package.
    shipped: BTreeMap<&'a str, String>,
    compile: bool,
    smoke: &'a [String],
}

/// The files of R's engine, below its home folder.
const ENGINE: [&str; 2] = ["bin/exec/R", "lib/libR.so"];
/// The metadata files of a package, most specific first. RECORD contains a digest of every file.
const DESCRIPTIONS: [&str; 4] = ["RECORD", "METADATA", "PKG-INFO", "DESCRIPTION"];

/// The key of a layer on the node below `root`. Paths in it are relative to the root. Reads the shipped packages.
pub(super) fn of(layer: &Layer, root: &Path) -> Result<Key, LayerError> {
    let own = |path: &Path| Path::new("/").join(path.strip_prefix(root).unwrap_or(path));
    let described = |folder: &Path| {
        let file = DESCRIPTIONS.iter().map(|name| folder.join(name)).find(|file| file.is_file());
        let file = file.unwrap_or_else(|| folder.to_owned());
        // A killed installer may leave a package without metadata. Its name alone then identifies it.
        if file.is_dir() {
            return Ok(String::new());
        }
        Digest::sha256_of_file(&file).map(|digest| digest.hex().to_owned()).map_err(LayerError::unreadable(file))
    };
    let shipped = layer.shipped.iter().map(|(name, folder)| Ok((name.as_str(), described(folder)?)));
    // R's program is a script, so the engine is hashed instead.
    let of_r = layer.r_home().into_iter().flat_map(|home| ENGINE.map(|file| home.join(file)));
    let engine = std::iter::once(layer.program.clone()).chain(of_r.filter(|file| file.is_file()));
    let engine = engine.map(|file| {
        let digest = file.canonicalize().and_then(|real| Digest::sha256_of_file(&real));
        digest.map(|digest| digest.hex().to_owned()).map_err(LayerError::unreadable(file))
    });
    let inputs = KeyInputs {
        of: layer.of,
        runtime: &layer.runtime,
        version: &layer.version,
        program: own(&layer.program),
        engine: engine.collect::<Result<_, LayerError>>()?,
        base: own(&layer.base),
        folder: own(&layer.folder),
        packages: &layer.packages,
        shipped: shipped.collect::<Result<_, LayerError>>()?,
        compile: layer.compile,
        smoke: &layer.smoke,
    };
    Ok(Key::of(Kind::Layer, &inputs))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::fs::{Attributes, replace};

    /// A layer of one package on a runtime of one package.
    pub(crate) fn layer(root: &Path) -> Layer {
        let write = |path: &str, text: &str| {
            replace(&root.join(path), text.as_bytes(), Attributes::mode(0o644)).expect("written");
        };
        write("bin/python3.11", "the interpreter");
        write("lib/python3.11/site-packages/numpy-2.dist-info/RECORD", "numpy/a.py,sha256=x,1\n");
        let folder = root.join("lib/python3.11/site-packages");
        let package = LayerPackage { version: "1".into(), sha256: "a".repeat(64) };
        Layer {
            of: Environment::Python,
            runtime: "debian 12 amd64".into(),
            version: "3.11.2".into(),
            program: root.join("bin/python3.11"),
            base: root.to_owned(),
            shipped: [("numpy".to_owned(), folder.join("numpy-2.dist-info"))].into(),
            folder,
            packages: [("x".to_owned(), package)].into(),
            compile: true,
            smoke: Vec::new(),
            private: false,
        }
    }

    #[test]
    fn every_input_changes_the_key() {
        let temp = tempfile::tempdir().expect("a temporary folder");
        let layer = layer(temp.path());
        let key = of(&layer, temp.path()).expect("readable");
        assert_eq!(of(&layer.clone(), temp.path()).expect("readable"), key);
        let changed = |change: fn(&mut Layer)| {
            let mut other = layer.clone();
            change(&mut other);
            of(&other, temp.path()).expect("readable")
        };
        for (what, change) in [
            ("runtime", (|layer| layer.runtime = "debian 13 amd64".into()) as fn(&mut Layer)),
            ("version", |layer| layer.version = "3.11.3".into()),
            ("package", |layer| layer.packages.get_mut("x").expect("there").sha256 = "b".repeat(64)),
            ("shipped", |layer| layer.shipped.clear()),
            ("compile", |layer| layer.compile = false),
            ("smoke", |layer| layer.smoke.push("x".into())),
            ("of", |layer| layer.of = Environment::R),
            ("base", |layer| layer.base.push("x")),
            ("folder", |layer| layer.folder.push("x")),
            ("program", |layer| layer.program = layer.folder.join("numpy-2.dist-info/RECORD")),
            ("version of a package", |layer| layer.packages.get_mut("x").expect("there").version = "2".into()),
        ] {
            assert_ne!(changed(change), key, "{what}");
        }
    }

    #[test]
    fn the_root_folder_does_not_change_the_key() {
        let (one, two) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
        let key = |root: &Path| of(&layer(root), root).expect("readable");
        assert_eq!(key(one.path()), key(two.path()));
    }

    #[test]
    fn a_changed_runtime_of_the_same_version_changes_the_key() {
        for path in ["bin/python3.11", "lib/python3.11/site-packages/numpy-2.dist-info/RECORD"] {
            let temp = tempfile::tempdir().expect("a temporary folder");
            let layer = layer(temp.path());
            let before = of(&layer, temp.path()).expect("readable");
            replace(&temp.path().join(path), b"patched", Attributes::mode(0o644)).expect("written");
            assert_ne!(of(&layer, temp.path()).expect("readable"), before, "{path}");
        }
    }
}
