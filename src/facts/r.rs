//! R and its libraries, read from files. R is not started.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
};

/// An installed R.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RFacts {
    /// The front end, such as `/usr/bin/R`.
    pub program: PathBuf,
    /// Version, such as `4.2.2`.
    pub version: String,
    /// The packages of all libraries that R searches, the library that nodeagent installs to first.
    pub packages: BTreeMap<String, InstalledPackage>,
}

/// A package in a library.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstalledPackage {
    /// Its version.
    pub version: String,
    /// Its library.
    pub library: PathBuf,
    /// Whether it is part of R itself.
    pub base: bool,
    /// The commit of the git repository that it was built from.
    pub commit: Option<String>,
    /// The packages that it needs to be loaded: `Depends` and `Imports`, without R itself.
    pub needs: Vec<String>,
}

/// R's home on Debian and the runtimes, then that of a build from source.
const HOMES: [&str; 4] = ["usr/lib/R", "usr/lib64/R", "usr/local/lib/R", "opt/R/lib/R"];
const PROGRAMS: [&str; 2] = ["usr/bin/R", "usr/local/bin/R"];
/// Debian's libraries (see Renviron) besides the one that nodeagent installs to. The libraries in R's home come last.
const SITE_LIBRARIES: [&str; 2] = ["usr/local/lib/R/site-library", "usr/lib/R/site-library"];

/// R's home, as a path of the node; `None` if there is no R.
pub fn home(root: &Path) -> Option<PathBuf> {
    let home = HOMES.iter().find(|home| root.join(home).join("library/base/DESCRIPTION").is_file())?;
    Some(Path::new("/").join(home))
}

impl RFacts {
    /// A package that is installed with everything that it needs to be loaded.
    pub fn loadable(&self, name: &str) -> Option<&InstalledPackage> {
        let (mut seen, mut open) = (BTreeSet::from([name]), vec![name]);
        while let Some(next) = open.pop() {
            let found = self.packages.get(next)?;
            open.extend(found.needs.iter().map(String::as_str).filter(|need| seen.insert(need)));
        }
        self.packages.get(name)
    }

    /// Finds R below a root; `None` if there is none.
    pub fn read(root: &Path, library: &Path) -> Option<Self> {
        let home = root.join(home(root)?.strip_prefix("/").ok()?);
        let program = PROGRAMS
            .iter()
            .map(|path| root.join(path))
            .find(|path| path.exists())
            .unwrap_or_else(|| home.join("bin/R"));
        let version = read_package(&home.join("library"), "base")?.version;
        let mut libraries = vec![library.to_owned()];
        libraries.extend(SITE_LIBRARIES.iter().map(|path| root.join(path)));
        libraries.extend([home.join("site-library"), home.join("library")]);
        let mut packages = BTreeMap::new();
        for library in libraries {
            for (name, found) in read_library(&library) {
                packages.entry(name).or_insert(found);
            }
        }
        Some(Self { program, version, packages })
    }
}

fn read_library(library: &Path) -> Vec<(String, InstalledPackage)> {
    let entries = std::fs::read_dir(library).into_iter().flatten().filter_map(Result::ok);
    entries
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok().filter(|name| !name.starts_with(['.', '0']))?;
            let found = read_package(library, &name)?;
            Some((name, found))
        })
        .collect()
}

/// Reads a package's DESCRIPTION; `None` if the package is missing or was never built.
fn read_package(library: &Path, name: &str) -> Option<InstalledPackage> {
    let file = std::fs::File::open(library.join(name).join("DESCRIPTION")).ok()?;
    let (mut version, mut base, mut built, mut commit, mut needs) = (None, false, false, None, Vec::new());
    let mut names_needs = false;
    for line in BufReader::with_capacity(4 << 10, file).split(b'\n').map_while(Result::ok) {
        let line = String::from_utf8_lossy(&line);
        if line.starts_with([' ', '\t']) {
            if names_needs {
                needs.extend(names(&line));
            }
            continue;
        }
        let field = line.split_once(':');
        names_needs = matches!(field, Some(("Depends" | "Imports", _)));
        match field {
            Some(("Version", value)) => version = Some(value.trim().to_owned()),
            Some(("Priority", value)) => base = value.trim() == "base",
            Some(("Built", _)) => built = true,
            Some(("RemoteSha", value)) => commit = Some(value.trim().to_owned()),
            Some((_, value)) if names_needs => needs.extend(names(value)),
            _ => {}
        }
    }
    let version = version.filter(|_| built)?;
    Some(InstalledPackage { version, library: library.to_owned(), base, commit, needs })
}

/// The names in a part of a list such as `R (>= 3.5), later (>= 1.2), R6`.
fn names(list: &str) -> impl Iterator<Item = String> {
    let names = list.split(',').filter_map(|entry| entry.split(['(', ' ', '\t']).find(|word| !word.is_empty()));
    // A line may break inside a version.
    names.filter(|name| *name != "R" && name.starts_with(|first: char| first.is_ascii_alphabetic())).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(root: &Path, name: &str, text: &str) {
        crate::fs::put(&root.join(name), text);
    }

    #[test]
    fn libraries_are_searched_in_order_and_unbuilt_packages_do_not_count() {
        let temp = tempfile::tempdir().expect("a temporary folder");
        let root = temp.path();
        write(
            root,
            "usr/lib/R/library/base/DESCRIPTION",
            "Package: base\nVersion: 4.2.2\nPriority: base\nBuilt: R 4.2.2\n",
        );
        write(root, "usr/lib/R/site-library/R6/DESCRIPTION", "Package: R6\nVersion: 2.4\nBuilt: R 4.2.0\n");
        let needs = "Depends: R (>= 3.5), later (>=\n 1.2),stats\nImports:\n    Rcpp,\n    utils (>= 1)\nSuggests: knitr,\n x\nRemoteSha: 12ab\n";
        write(root, "lib/R6/DESCRIPTION", &format!("Package: R6\nVersion: 2.5.1\n{needs}Built: R 4.2.2\n"));
        write(root, "lib/half/DESCRIPTION", "Package: half\nVersion: 1.0\n");
        let facts = RFacts::read(root, &root.join("lib")).expect("R is there");
        assert_eq!(facts.version, "4.2.2");
        assert_eq!(facts.packages["R6"].version, "2.5.1");
        assert_eq!(facts.packages["R6"].commit.as_deref(), Some("12ab"));
        assert_eq!(facts.packages["base"].commit, None);
        assert_eq!(facts.packages["R6"].needs, ["later", "stats", "Rcpp", "utils"]);
        assert!(facts.packages["base"].base && !facts.packages.contains_key("half"));
    }

    #[test]
    fn a_package_with_missing_dependencies_is_not_loadable() {
        let package = |needs: &[&str]| InstalledPackage {
            version: "1.0".into(),
            library: "/lib".into(),
            base: false,
            commit: None,
            needs: needs.iter().map(|&need| need.to_owned()).collect(),
        };
        let mut packages: BTreeMap<_, _> = [("a", package(&["b"])), ("b", package(&["c", "a"])), ("c", package(&[]))]
            .map(|(n, p)| (n.into(), p))
            .into();
        let facts = |packages: &BTreeMap<_, _>| RFacts {
            program: "/usr/bin/R".into(),
            version: "4.2.2".into(),
            packages: packages.clone(),
        };
        assert!(facts(&packages).loadable("a").is_some());
        packages.remove("c");
        assert!(facts(&packages).loadable("a").is_none());
    }

    #[test]
    fn a_node_without_r_has_none() {
        assert_eq!(RFacts::read(Path::new("/nowhere"), Path::new("/nowhere/lib")), None);
    }
}
