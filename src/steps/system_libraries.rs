//! The system libraries that installed files link to: Debian packages with their versions, and unpackaged libraries
//! with their digests. A stored build is used only on nodes that have the same libraries.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    io::{self, Read as _, Seek as _},
    path::{Path, PathBuf},
};

use elf::{ElfStream, abi::DT_NEEDED, endian::AnyEndian};
use serde::{Deserialize, Serialize};

use crate::{
    digest::Digest,
    facts::{Dpkg, dpkg::Libraries},
    fs::{DirEntry, walk},
};

/// The libraries that a set of shared objects links to.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LinkedLibraries {
    /// Versions of Debian packages, by names such as `libcurl4:amd64`.
    pub(crate) packages: BTreeMap<String, String>,
    /// Hexadecimal SHA-256 digests of libraries that belong to no package, by path.
    pub(crate) files: BTreeMap<String, String>,
}

/// Why the libraries that files link to could not be determined.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LibraryError {
    /// A file could not be read.
    #[error("`{}` could not be read", path.display())]
    Unreadable {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    /// A library is in none of the loader's folders.
    #[error("it links to `{0}`, which is in no library folder of the node")]
    NotFound(String),
}

impl LibraryError {
    fn unreadable(path: &Path) -> impl FnOnce(io::Error) -> Self + '_ {
        move |source| Self::Unreadable { path: path.to_owned(), source }
    }
}

/// Libraries that are in none of the loader's folders.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum UnknownLibraries {
    /// They are an error.
    Refuse,
    /// They are ignored: wheels contain libraries in folders of their own.
    Ignore,
}

/// The system libraries of a node.
#[derive(Debug)]
pub(crate) struct SystemLibraries {
    root: PathBuf,
    /// The library folders, as paths below the root of the node.
    folders: Vec<PathBuf>,
    dpkg: Dpkg,
    libraries: Libraries,
}

impl SystemLibraries {
    /// Reads dpkg's files. `r_home` is the home folder of R, whose `lib` folder is searched as well.
    pub(crate) fn read(root: &Path, r_home: Option<&Path>) -> Self {
        let of_r = r_home.map(|home| Path::new("/").join(home.strip_prefix(root).unwrap_or(home)).join("lib"));
        Self {
            root: root.to_owned(),
            folders: Libraries::folders().into_iter().chain(of_r).collect(),
            dpkg: Dpkg::read(root).unwrap_or_default(),
            libraries: Libraries::read(root),
        }
    }

    /// The libraries that an installed R package links to.
    pub(crate) fn links_of_package(&self, package: &Path) -> Result<LinkedLibraries, LibraryError> {
        let entries: Result<Vec<_>, _> = walk(package).collect();
        let entries = entries.map_err(|error| LibraryError::unreadable(package)(error))?;
        let files = entries.into_iter().filter(|entry| entry.file_type().is_file());
        let files: Vec<PathBuf> = files.map(DirEntry::into_path).collect();
        self.links_of(&files, UnknownLibraries::Refuse)
    }

    /// The libraries that a set of files links to, except those in the set itself.
    pub(crate) fn links_of(
        &self,
        files: &[PathBuf],
        unknown: UnknownLibraries,
    ) -> Result<LinkedLibraries, LibraryError> {
        let (mut needed, mut own) = (BTreeSet::new(), BTreeSet::new());
        for path in files {
            own.extend(path.file_name().map(|name| name.to_string_lossy().into_owned()));
            needed.extend(needed_by(path).map_err(LibraryError::unreadable(path))?);
        }
        let mut links = LinkedLibraries::default();
        for name in needed.difference(&own) {
            let Some(path) = self.find(name) else {
                match unknown {
                    UnknownLibraries::Refuse => return Err(LibraryError::NotFound(name.clone())),
                    UnknownLibraries::Ignore => continue,
                }
            };
            if let Some((package, version)) = self.owner(&path) {
                links.packages.insert(package.to_owned(), version.to_owned());
            } else {
                let digest = Digest::sha256_of_file(&self.on_node(&path)).map_err(LibraryError::unreadable(&path))?;
                links.files.insert(path.display().to_string(), digest.hex().to_owned());
            }
        }
        Ok(links)
    }

    /// Whether the node has all of these libraries in the same versions.
    pub(crate) fn fits(&self, links: &LinkedLibraries) -> bool {
        let same_package = |(name, version): (&String, &String)| self.dpkg.installed_version(name) == Some(version);
        let same_file = |(path, digest): (&String, &String)| {
            let path = Path::new(path);
            // An entry of the store may contain any path.
            self.folders.iter().any(|folder| Some(folder.as_path()) == path.parent())
                && Digest::sha256_of_file(&self.on_node(path)).is_ok_and(|found| found.hex() == digest)
        };
        links.packages.iter().all(same_package) && links.files.iter().all(same_file)
    }

    fn find(&self, name: &str) -> Option<PathBuf> {
        let paths = self.folders.iter().map(|folder| folder.join(name));
        paths.into_iter().find(|path| !name.contains('/') && self.on_node(path).is_file())
    }

    /// The package of a library and its version. Symbolic links, such as those of update-alternatives, are resolved.
    fn owner(&self, path: &Path) -> Option<(&str, &str)> {
        let real = || {
            let real = self.on_node(path).canonicalize().ok()?;
            self.libraries.owner(&Path::new("/").join(real.strip_prefix(&self.root).ok()?))
        };
        let package = self.libraries.owner(path).or_else(real)?;
        Some((package, self.dpkg.installed_version(package)?))
    }

    fn on_node(&self, path: &Path) -> PathBuf {
        self.root.join(path.strip_prefix("/").unwrap_or(path))
    }
}

/// The libraries that a program or shared object requires. Empty if the file is not an ELF object.
fn needed_by(path: &Path) -> io::Result<Vec<String>> {
    let mut file = File::open(path)?;
    let mut begins = Vec::new();
    file.by_ref().take(4).read_to_end(&mut begins)?;
    if begins != elf::abi::ELFMAGIC {
        return Ok(Vec::new());
    }
    file.rewind()?;
    let invalid = |error: elf::ParseError| io::Error::other(error.to_string());
    let mut object = ElfStream::<AnyEndian, _>::open_stream(file).map_err(invalid)?;
    let Some(dynamic) = object.dynamic().map_err(invalid)? else { return Ok(Vec::new()) };
    let names: Vec<usize> = dynamic
        .iter()
        .filter(|entry| entry.d_tag == DT_NEEDED)
        .filter_map(|entry| entry.d_val().try_into().ok())
        .collect();
    let Some((_, texts)) = object.dynamic_symbol_table().map_err(invalid)? else { return Ok(Vec::new()) };
    names.into_iter().map(|at| texts.get(at).map(str::to_owned).map_err(invalid)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fs::{Attributes, replace};

    /// A shared object of this machine that links to `libc.so.6`.
    fn linked() -> Option<PathBuf> {
        let found = Libraries::folders().into_iter().map(|folder| folder.join("libm.so.6")).find(|path| path.is_file());
        assert!(found.is_some() || cfg!(not(target_env = "gnu")), "a machine with glibc has it");
        found
    }

    /// glibc's libraries also link to its loader.
    const LOADERS: [&str; 2] = ["lib64/ld-linux-x86-64.so.2", "lib/ld-linux-aarch64.so.1"];

    struct Node(tempfile::TempDir);

    impl Node {
        /// A node with `libc.so.6` in the usual folder, a package with one shared object, and dpkg's files.
        fn new(object: &Path) -> Self {
            let node = Self(tempfile::tempdir().expect("a temporary folder"));
            let bytes = std::fs::read(object).expect("readable");
            node.write("lib/a/libs/a.so", &bytes);
            node.write("lib/a/DESCRIPTION", b"Package: a\n");
            node.write(&Self::library(), b"the library");
            for path in LOADERS {
                node.write(path, b"the loader");
            }
            node
        }

        fn library() -> String {
            format!("usr/lib/{}-linux-gnu/libc.so.6", std::env::consts::ARCH)
        }

        fn write(&self, path: &str, bytes: &[u8]) {
            replace(&self.0.path().join(path), bytes, Attributes::default()).expect("written");
        }

        fn packaged(self, version: &str) -> Self {
            let loaders = LOADERS.map(|path| format!("/{path}\n")).concat();
            let list = format!("/.\n/{}\n{loaders}", Self::library());
            self.write("var/lib/dpkg/info/libc6:amd64.list", list.as_bytes());
            let status = format!(
                "Package: libc6\nStatus: install ok installed\nArchitecture: amd64\nVersion: {version}\nDescription: x\n\n"
            );
            self.write("var/lib/dpkg/status", status.as_bytes());
            self
        }

        fn libraries(&self) -> SystemLibraries {
            SystemLibraries::read(self.0.path(), None)
        }

        fn links(&self) -> Result<LinkedLibraries, LibraryError> {
            self.libraries().links_of_package(&self.0.path().join("lib/a"))
        }
    }

    #[test]
    fn a_shared_object_links_to_the_packages_of_its_libraries() {
        let Some(object) = linked() else { return };
        let node = Node::new(&object).packaged("2.36-9");
        let libc6 = BTreeMap::from([("libc6:amd64".to_owned(), "2.36-9".to_owned())]);
        assert_eq!(node.links().expect("readable"), LinkedLibraries { packages: libc6, ..LinkedLibraries::default() });
    }

    #[test]
    fn a_build_is_usable_if_packages_have_the_same_versions() {
        let links = LinkedLibraries {
            packages: [("libc6:amd64".to_owned(), "2.36-9".to_owned())].into(),
            ..LinkedLibraries::default()
        };
        let Some(object) = linked() else { return };
        assert!(Node::new(&object).packaged("2.36-9").libraries().fits(&links));
        assert!(!Node::new(&object).packaged("2.36-10").libraries().fits(&links), "another version");
        assert!(!Node::new(&object).libraries().fits(&links), "it is missing");
        assert!(Node::new(&object).libraries().fits(&LinkedLibraries::default()), "it links to nothing");
    }

    #[test]
    fn an_unpackaged_library_is_compared_by_digest() {
        let Some(object) = linked() else { return };
        let node = Node::new(&object);
        let files = [(format!("/{}", Node::library()), Digest::sha256(b"the library").hex().to_owned())];
        let links = LinkedLibraries { files: files.into(), ..LinkedLibraries::default() };
        assert!(node.libraries().fits(&links));
        node.write(&Node::library(), b"another");
        assert!(!node.libraries().fits(&links));
    }

    #[test]
    fn an_entry_cannot_probe_files_outside_library_folders() {
        let Some(object) = linked() else { return };
        let node = Node::new(&object);
        node.write("etc/shadow", b"x");
        let files = [("/etc/shadow".to_owned(), Digest::sha256(b"x").hex().to_owned())];
        assert!(!node.libraries().fits(&LinkedLibraries { files: files.into(), ..LinkedLibraries::default() }));
    }

    #[test]
    fn a_missing_library_is_an_error() {
        let Some(object) = linked() else { return };
        let node = Node::new(&object);
        crate::fs::remove(&node.0.path().join(Node::library())).expect("removed");
        assert!(matches!(node.links(), Err(LibraryError::NotFound(name)) if name == "libc.so.6"));
        // A file that is not an ELF object links to nothing.
        node.write("lib/a/libs/a.so", b"\x7fEL");
        assert_eq!(node.links().expect("readable"), LinkedLibraries::default());
        node.write("lib/a/libs/a.so", b"\x7fELF and nonsense");
        assert!(node.links().is_err());
    }
}
