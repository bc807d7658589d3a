//! The sources on the node: environment variables and files.

use std::{collections::BTreeMap, convert::identity, io, path::Path, sync::LazyLock};

use regex_lite::Regex;

use super::SecretError;
use crate::{fs::read_bounded, redact::Secret};

/// The largest secret, in bytes. The clouds store at most 128 KiB.
const MAX_BYTES: u64 = 16 << 20;

pub(super) fn from_variable(name: &str, env: &BTreeMap<String, String>) -> Result<Secret, SecretError> {
    static REFERENCE: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"\{\{secrets/[^{}]*\}\}").expect("the pattern is fixed"));
    let value = env.get(name).filter(|value| !value.is_empty()).ok_or_else(|| SecretError::NotSet(name.to_owned()))?;
    match REFERENCE.find(value) {
        Some(reference) => {
            Err(SecretError::Unresolved { variable: name.to_owned(), reference: reference.as_str().to_owned() })
        }
        None => Ok(Secret::new(value.clone().into_bytes())),
    }
}

/// Reads a file. It is read in a separate thread, because the file may be on a file store that does not answer.
pub(super) async fn from_file(path: &Path) -> Result<Secret, SecretError> {
    let file = path.to_owned();
    let read = crate::task::blocking(move || read_bounded(&file, MAX_BYTES)).await;
    match read.map_err(io::Error::other).and_then(identity) {
        Ok(bytes) if bytes.is_empty() => Err(SecretError::Empty(path.to_owned())),
        Ok(bytes) => Ok(Secret::new(bytes)),
        Err(source) if source.kind() == io::ErrorKind::NotFound => Err(absent(path)),
        Err(source) => Err(SecretError::Unreadable { path: path.to_owned(), source }),
    }
}

/// Distinguishes a missing scope from a missing key.
fn absent(path: &Path) -> SecretError {
    let name = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let scope = path.parent().unwrap_or(Path::new("/"));
    if scope.is_dir() {
        return SecretError::NoKey { key: name(path), scope: scope.to_owned() };
    }
    SecretError::NoScope { scope: name(scope), folder: scope.parent().unwrap_or(Path::new("/")).to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(value: &str) -> BTreeMap<String, String> {
        BTreeMap::from([("TOKEN".to_owned(), value.to_owned())])
    }

    #[test]
    fn a_value_is_returned_by_reveal_only() {
        let secret = from_variable("TOKEN", &env("hunter2")).expect("it is set");
        assert_eq!(format!("{secret:?}"), "Secret([redacted])");
        assert_eq!(secret.reveal(), b"hunter2");
    }

    #[test]
    fn an_unresolved_reference_is_an_error() {
        let error = from_variable("TOKEN", &env("{{secrets/family/key}}")).expect_err("a reference");
        assert!(matches!(&error, SecretError::Unresolved { reference, .. } if reference == "{{secrets/family/key}}"));
    }

    #[tokio::test]
    async fn a_missing_scope_and_a_missing_key_are_different_errors() {
        let temp = tempfile::tempdir().expect("a temporary folder");
        std::fs::create_dir(temp.path().join("family")).expect("created");
        let fetch = async |path: &str| from_file(&temp.path().join(path)).await.expect_err("nothing there");
        assert!(matches!(fetch("family/key").await, SecretError::NoKey { .. }));
        assert!(matches!(fetch("criminal/key").await, SecretError::NoScope { scope, .. } if scope == "criminal"));
    }

    #[test]
    fn an_empty_variable_counts_as_not_set() {
        assert!(matches!(from_variable("TOKEN", &env("")), Err(SecretError::NotSet(_))));
        assert!(matches!(from_variable("OTHER", &env("x")), Err(SecretError::NotSet(_))));
    }
}
