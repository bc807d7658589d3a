//! The interpreter of an environment, as what is made for it goes by.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::Context;
use crate::{digest::Digest, facts::PythonEnv, plan::PythonInstall};

/// An interpreter. Its names are in keys: a change of one makes all that is kept unknown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Interpreter {
    /// Version, `3.11.2`.
    version: String,
    /// SHA-256 of its bytes.
    sha256: String,
    /// The folder of packages, by the node's own paths.
    folder: PathBuf,
}

impl Interpreter {
    /// Reads it; `None` where it cannot be read, and nothing can be kept for it.
    pub(super) async fn read(ctx: &Context, wanted: &PythonInstall) -> Option<Self> {
        let (interpreter, root) = (wanted.interpreter.clone(), ctx.root.clone());
        let reading = move || {
            let env = PythonEnv::read(&interpreter).ok()?;
            let digest = Digest::sha256_of_file(&interpreter.canonicalize().ok()?).ok()?;
            let (major, minor, patch) = env.version;
            let folder = Path::new("/").join(env.site_packages.strip_prefix(&root).unwrap_or(&env.site_packages));
            Some(Self { version: format!("{major}.{minor}.{patch}"), sha256: digest.hex().to_owned(), folder })
        };
        tokio::task::spawn_blocking(reading).await.ok()?
    }
}
