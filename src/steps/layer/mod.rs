//! Layers: restorable sets of the files that a lock adds to a Python environment or an R library. The key of a layer
//! covers its content (the digests of the lock's files) and the runtime below it (the metadata files of each shipped
//! package). A layer only ever adds files.
//!
//! In the store, a layer is an entry whose facts contain a manifest and, if the layer is signed, a signature of the
//! manifest. The manifest lists the parts: zstd-compressed tar archives, which can be unpacked in any order and in
//! parallel.

mod bake;
mod contents;
mod error;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod key;
mod manifest;
mod restore;
mod unpack;

pub use bake::{Baked, bake};
pub(crate) use error::LayerError;
pub use restore::Staged;
pub(crate) use restore::stage;
