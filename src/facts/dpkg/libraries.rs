//! The packages that shared libraries belong to, from dpkg's file lists.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use memchr::memmem;

/// The shared libraries of all packages.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Libraries {
    /// The packages by path.
    owners: BTreeMap<String, String>,
}

impl Libraries {
    /// Reads the file lists of the node below `root`. Empty without dpkg.
    pub fn read(root: &Path) -> Self {
        let mut owners = BTreeMap::new();
        for entry in std::fs::read_dir(root.join("var/lib/dpkg/info")).into_iter().flatten().flatten() {
            let name = entry.file_name().into_string().ok();
            let Some(package) = name.as_deref().and_then(|name| name.strip_suffix(".list")) else { continue };
            let Ok(list) = std::fs::read(entry.path()) else { continue };
            if memmem::find(&list, b".so").is_none() {
                continue;
            }
            for line in String::from_utf8_lossy(&list).lines().filter(|line| line.contains(".so")) {
                owners.insert(merged(line).to_owned(), package.to_owned());
            }
        }
        Self { owners }
    }

    /// The package that a path belongs to, such as `libc6:amd64`.
    pub fn owner(&self, path: &Path) -> Option<&str> {
        self.owners.get(merged(path.to_str()?)).map(String::as_str)
    }

    /// The folders that the dynamic loader searches, as absolute paths of the node.
    pub fn folders() -> Vec<PathBuf> {
        let triplet = format!("{}-linux-gnu", std::env::consts::ARCH);
        let of_triplet = ["/usr/local/lib", "/lib", "/usr/lib"].map(|folder| Path::new(folder).join(&triplet));
        let plain = ["/usr/local/lib", "/lib", "/usr/lib", "/lib64", "/usr/lib64"].map(PathBuf::from);
        of_triplet.into_iter().chain(plain).collect()
    }
}

/// `/lib` and `/usr/lib` are the same folder, and file lists use both names.
fn merged(path: &str) -> &str {
    path.strip_prefix("/usr").filter(|rest| rest.starts_with("/lib")).unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fs::put;

    #[test]
    fn a_library_belongs_to_the_package_that_lists_it_by_either_of_its_paths() {
        let root = tempfile::tempdir().expect("a temporary folder");
        let list = |name: &str, text: &str| {
            put(&root.path().join("var/lib/dpkg/info").join(name), text);
        };
        list("libc6:amd64.list", "/.\n/lib\n/lib/x86_64-linux-gnu/libc.so.6\n");
        list("libcurl4:amd64.list", "/usr/lib/x86_64-linux-gnu/libcurl.so.4\n/usr/share/doc/libcurl4\n");
        list("libcurl4:amd64.md5sums", "0 usr/lib/x86_64-linux-gnu/libother.so.1\n");
        list("jq.list", "/usr/bin/jq\n");
        let libraries = Libraries::read(root.path());
        let owner = |path| libraries.owner(Path::new(path));
        assert_eq!(owner("/lib/x86_64-linux-gnu/libc.so.6"), Some("libc6:amd64"));
        assert_eq!(owner("/usr/lib/x86_64-linux-gnu/libc.so.6"), Some("libc6:amd64"));
        assert_eq!(owner("/lib/x86_64-linux-gnu/libcurl.so.4"), Some("libcurl4:amd64"));
        assert_eq!(owner("/usr/local/lib/libcurl.so.4"), None);
        assert_eq!(owner("/usr/lib/x86_64-linux-gnu/libother.so.1"), None);
    }
}
