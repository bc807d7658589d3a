//! Decides which texts of the file store are trusted.

use std::{path::Path, sync::Arc};

use super::find::{ACCESS, ADMIN, FileStore, NotFound, SCRIPTS, Text};
use crate::{
    diagnostic::Diagnostic,
    digest::Digest,
    filestore::FileStoreError,
    fs::read_bounded,
    trust::{Distrust, Hashes, MOST_SIGNATURE, Trusted, beside},
};

impl FileStore {
    /// The same store, restricted to trusted files.
    #[must_use]
    pub fn trusting(self, trusted: Arc<Trusted>) -> Self {
        Self { trusted, ..self }
    }

    /// The keys and digests that decide which files are trusted.
    pub fn trusted(&self) -> &Trusted {
        &self.trusted
    }

    /// Verifies the bytes of a file: by a digest in a signed text, or by the signature file next to it.
    fn verify(&self, path: &Path, bytes: &[u8]) -> Result<(), Distrust> {
        if !self.trusted.is_on() || self.trusted.digests().named_by(&Digest::sha256(bytes)).is_some() {
            return Ok(());
        }
        let signature = self.signature(path)?;
        self.trusted.keys().check(path, bytes, signature.as_deref()).map(drop)
    }

    /// Verifies a file of any size by its hashes.
    pub(super) fn verify_hashes(&self, path: &Path, hashes: &Hashes) -> Result<(), Distrust> {
        if self.trusted.digests().named_by(&hashes.sha256).is_some() {
            return Ok(());
        }
        let signature = self.signature(path)?.ok_or(Distrust::NoDigest)?;
        self.trusted.keys().check_hashed(path, &hashes.prehash, Some(&signature)).map(drop)
    }

    /// The signature of a file.
    fn signature(&self, path: &Path) -> Result<Option<Vec<u8>>, Distrust> {
        let path = beside(path);
        if !self.bring(&path).map_err(|error| Distrust::Unread(error.to_string()))? && !path.exists() {
            return Ok(None);
        }
        read_bounded(&path, MOST_SIGNATURE).map(Some).map_err(|error| Distrust::Unread(error.to_string()))
    }

    /// Returns a text if it is trusted.
    pub(super) fn verify_text(&self, path: &Path, text: Text) -> Result<Text, NotFound> {
        match self.verify(path, &text.bytes) {
            Ok(()) => Ok(text),
            Err(why) => Err(NotFound {
                message: format!("`{}` is not trusted: {why}", text.label),
                causes: Vec::new(),
                hint: why.hint(&text.label),
            }),
        }
    }

    /// The path of the access file, which may not exist, for messages.
    pub fn access_label(&self) -> String {
        let tree = self.tree(ADMIN).ok().flatten().unwrap_or_else(|| self.root.join(ADMIN));
        self.shown(&tree.join(SCRIPTS).join(ACCESS))
    }

    /// The access file: its name for messages and its bytes. `None` if there is none. Only the file in Admin's folder
    /// applies: a unit must not write its own grants.
    ///
    /// # Errors
    /// If the file exists but cannot be read or is not trusted. Its restrictions are then unknown.
    pub fn access(&self) -> Result<Option<(String, Vec<u8>)>, Diagnostic> {
        // A remote store has copied it with the admin folder.
        let closed = |error: FileStoreError| Diagnostic::nowhere(error.to_string()).maybe_hint(error.hint());
        let Some(tree) = self.tree(ADMIN).map_err(closed)? else { return Ok(None) };
        let path = tree.join(SCRIPTS).join(ACCESS);
        self.access_at(&path)
    }

    /// The access file at a path. It must be trusted, too.
    ///
    /// # Errors
    /// See [`FileStore::access`].
    pub fn access_at(&self, path: &Path) -> Result<Option<(String, Vec<u8>)>, Diagnostic> {
        self.read_trusted(path, "without the access file nobody has access; check the file's permissions")
    }

    /// Another file with instructions, such as a lock: its name for messages and its bytes. `None` if there is none.
    ///
    /// # Errors
    /// If the file exists but cannot be read or is not trusted.
    pub fn signed_text(&self, path: &Path) -> Result<Option<(String, Vec<u8>)>, Diagnostic> {
        let unread = |error: FileStoreError| Diagnostic::nowhere(error.to_string()).maybe_hint(error.hint());
        self.bring(path).map_err(unread)?;
        self.read_trusted(path, "check the file's permissions")
    }

    fn read_trusted(&self, path: &Path, unread: &str) -> Result<Option<(String, Vec<u8>)>, Diagnostic> {
        let label = self.shown(path);
        match self.read_text(path) {
            Ok(bytes) => match self.verify(path, &bytes) {
                Ok(()) => Ok(Some((label, bytes))),
                Err(why) => Err(untrusted(&label, &why)),
            },
            Err(error) if matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory) => {
                Ok(None)
            }
            Err(error) => Err(Diagnostic::nowhere(format!("`{label}` could not be read: {error}")).hint(unread)),
        }
    }
}

/// The error of a file that is not trusted.
fn untrusted(label: &str, why: &Distrust) -> Diagnostic {
    Diagnostic::nowhere(format!("`{label}` is not trusted: {why}")).hint(why.hint(label))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::{auth::TreeAccess, profile::find::tests::store};

    #[test]
    fn only_the_access_file_of_admin_applies() {
        let (_temp, nothing) = store(&[("Family/init_scripts/access.toml", "unit"), ("access.toml", "top")]);
        assert_eq!(nothing.access(), Ok(None));
        assert_eq!(nothing.probe(&nothing.root.join("Family"), &BTreeSet::new()), Ok(TreeAccess::Listed));
        assert_eq!(nothing.probe(&nothing.root.join("Nowhere"), &BTreeSet::new()), Ok(TreeAccess::Closed));
        assert_eq!(nothing.trees().expect("listed").len(), 1);
        let (_temp, found) = store(&[("ADMIN/init_scripts/access.toml", "admin")]);
        assert_eq!(found.access().expect("readable").expect("there").1, b"admin");
        let (_temp, folder) = store(&[("Admin/init_scripts/access.toml/x", "")]);
        assert!(folder.access().is_err(), "an unreadable file is an error");
    }

    #[test]
    fn a_digest_in_a_signed_text_is_sufficient() {
        use crate::trust::{SecretKey, TrustedKeys};
        let text = "schema = 1\nname = 'nightly'\n";
        let (_temp, store) = store(&[("Admin/init_scripts/nightly.toml", text)]);
        let keys = TrustedKeys::new(vec![SecretKey::generate().expect("random").public()]);
        let trusted = Arc::new(Trusted::new(keys, 0, std::collections::BTreeMap::new()));
        let store = store.trusting(Arc::clone(&trusted));
        let refused = store.profile("nightly", None, None).expect_err("it has no signature");
        assert!(refused.message.contains("it has no signature"), "{refused:?}");
        let path = store.root.join("Admin/init_scripts/nightly.toml");
        assert!(store.signed_text(&path).is_err() && store.signed_text(Path::new("/nowhere")) == Ok(None));
        trusted.digests().add(Digest::sha256(text.as_bytes()), "nightly.lock");
        assert_eq!(store.profile("nightly", None, None).expect("the lock names it").bytes, text.as_bytes());
        assert!(store.signed_text(&path).is_ok_and(|found| found.is_some()));
        trusted.digests().clear();
        assert!(store.profile("nightly", None, None).is_err());
    }
}
