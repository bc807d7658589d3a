//! Identifies the interpreter of an environment in store keys.

use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::steps::Context;
use crate::{digest::Digest, facts::PythonEnv, task};

/// The identity of an interpreter. Renaming a field changes all keys that contain it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Interpreter {
    /// The version, such as `3.11.2`.
    version: String,
    /// SHA-256 of the interpreter's file.
    sha256: String,
    /// The site-packages folder, as a path below the root of the node.
    folder: PathBuf,
}

impl Interpreter {
    /// Reads the interpreter of an environment. `None` if it cannot be read: nothing is then stored for it.
    pub(super) async fn read(ctx: &Context, env: &PythonEnv) -> Option<Self> {
        let (major, minor, patch) = env.version;
        let folder = Path::new("/").join(env.site_packages.strip_prefix(&ctx.root).unwrap_or(&env.site_packages));
        let program = env.interpreter.clone();
        let digest = move || program.canonicalize().and_then(|real| Digest::sha256_of_file(&real));
        let sha256 = task::blocking(digest).await.ok()?.ok()?.hex().to_owned();
        Some(Self { version: format!("{major}.{minor}.{patch}"), sha256, folder })
    }
}
