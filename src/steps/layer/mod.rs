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
mod unpack;

pub use bake::{Baked, bake};
pub use restore::Staged;
pub(crate) use restore::stage;

use super::blocking::{Why, run_blocking, words};
