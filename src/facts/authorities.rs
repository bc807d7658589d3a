//! The system's store of certificate authorities.

use std::path::{Path, PathBuf};

/// The store of a family of systems.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuthorityStore {
    /// The folder for certificates of the administrator.
    pub folder: &'static str,
    /// The program that makes the bundle, below the root.
    program: &'static str,
    /// The command that makes the bundle from the folder.
    pub update: &'static [&'static str],
    /// The same after certificates were removed.
    pub update_after_removal: &'static [&'static str],
    /// The bundle of all authorities, which programs read.
    pub bundle: &'static str,
    /// A partial bundle of a killed program.
    pub partial_bundle: Option<&'static str>,
    /// The folder in which the program makes links to the certificates.
    links: Option<&'static str>,
}

/// The default of `--hooksdir` in the command identifies the processes of a killed run.
const STORES: [AuthorityStore; 2] = [
    AuthorityStore {
        folder: "/usr/local/share/ca-certificates",
        program: "usr/sbin/update-ca-certificates",
        update: &["update-ca-certificates", "--hooksdir", "/etc/ca-certificates/update.d"],
        // Without `--fresh`, links to removed certificates stay.
        update_after_removal: &["update-ca-certificates", "--fresh", "--hooksdir", "/etc/ca-certificates/update.d"],
        bundle: "/etc/ssl/certs/ca-certificates.crt",
        // The next call would append to it.
        partial_bundle: Some("/etc/ssl/certs/ca-certificates.crt.new"),
        links: Some("/etc/ssl/certs"),
    },
    AuthorityStore {
        folder: "/etc/pki/ca-trust/source/anchors",
        program: "usr/bin/update-ca-trust",
        update: &["update-ca-trust", "extract"],
        update_after_removal: &["update-ca-trust", "extract"],
        bundle: "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
        partial_bundle: None,
        links: None,
    },
];

impl AuthorityStore {
    /// The store of the node below a root.
    pub fn of(root: &Path) -> Option<Self> {
        STORES.into_iter().find(|store| root.join(store.program).is_file())
    }

    /// The place of a certificate of nodeagent, as a path of the node.
    pub fn file(&self, fingerprint: &str) -> PathBuf {
        Path::new(self.folder).join(format!("{PREFIX}{}.crt", &fingerprint[..fingerprint.len().min(SHOWN)]))
    }

    /// The link that the program makes to a file of the folder, as a path of the node.
    pub fn link(&self, file: &Path) -> Option<PathBuf> {
        let name = file.file_stem()?.to_str()?;
        Some(Path::new(self.links?).join(format!("{name}.pem")))
    }

    /// Whether a path of the node is a certificate of nodeagent in the store.
    pub fn is_own(&self, path: &Path) -> bool {
        let name = path.file_name().and_then(|name| name.to_str());
        path.parent() == Some(Path::new(self.folder)) && name.is_some_and(|name| name.starts_with(PREFIX))
    }
}

/// The beginning of the names of nodeagent's files.
const PREFIX: &str = "nodeagent-";
/// The number of digits of the fingerprint in a name.
const SHOWN: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fs::put;

    #[test]
    fn the_program_of_a_family_identifies_its_store() {
        let temp = tempfile::tempdir().expect("a temporary folder");
        assert_eq!(AuthorityStore::of(temp.path()), None);
        put(&temp.path().join("usr/bin/update-ca-trust"), "");
        let store = AuthorityStore::of(temp.path()).expect("a store");
        let file = store.file("0123456789abcdef0123");
        assert_eq!(file, Path::new("/etc/pki/ca-trust/source/anchors/nodeagent-0123456789abcdef.crt"));
        assert!(store.is_own(&file) && !store.is_own(Path::new("/etc/nodeagent-0123456789abcdef.crt")));
        put(&temp.path().join("usr/sbin/update-ca-certificates"), "");
        assert_eq!(AuthorityStore::of(temp.path()).map(|store| store.update[0]), Some("update-ca-certificates"));
    }
}
