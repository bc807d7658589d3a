//! Layers: what a lock adds to a Python environment or an R library, kept as a whole and restored as a whole. A layer is
//! known by what is in it (the lock's files by their digests) and by what it lies on (the runtime, file by file that
//! describes it); it only ever adds files.
//!
//! In the store a layer is an entry whose facts hold a manifest and, when it was signed, a signature of that manifest. The
//! manifest names the parts: tar archives, packed by zstd, which unpack in any order and at the same time.

mod bake;
mod contents;
mod key;
mod manifest;
mod restore;

pub use bake::{Baked, bake};
pub use restore::Staged;
pub(super) use restore::stage;

/// Why a layer is not made or not used, in words.
type Why = String;

/// Works on files beside the runtime's own threads.
async fn beside<T: Send + 'static>(work: impl FnOnce() -> Result<T, Why> + Send + 'static) -> Result<T, Why> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(error.to_string()))
}

fn words(error: &dyn std::error::Error) -> Why {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    text
}
