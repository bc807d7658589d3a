//! The agent's cache folder for Python.

use std::path::PathBuf;

use crate::steps::Context;

/// The agent's cache folder for Python tools and downloads.
pub(super) fn cache(ctx: &Context) -> PathBuf {
    ctx.cache.join("python")
}
