//! The interpreter of an environment, as what is made for it goes by.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::Context;
use crate::{
    digest::Digest,
    facts::PythonEnv,
    steps::blocking::{run_blocking, words},
};

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
    /// That of an environment; `None` where it cannot be read, and nothing can be kept for it.
    pub(super) async fn read(ctx: &Context, env: &PythonEnv) -> Option<Self> {
        let (major, minor, patch) = env.version;
        let folder = Path::new("/").join(env.site_packages.strip_prefix(&ctx.root).unwrap_or(&env.site_packages));
        let program = env.interpreter.clone();
        let digest = move || {
            program.canonicalize().and_then(|real| Digest::sha256_of_file(&real)).map_err(|error| words(&error))
        };
        let sha256 = run_blocking(digest).await.ok()?.hex().to_owned();
        Some(Self { version: format!("{major}.{minor}.{patch}"), sha256, folder })
    }
}
