//! The locations of a store on a node.

use std::path::{Path, PathBuf};

use super::store_url::StoreUrl;

/// The folder of the local store, below the agent's cache.
const LOCAL: &str = "store";

/// The default limit of the local store: 10 GiB.
pub const DEFAULT_LIMIT: u64 = 10 << 30;

/// The locations of a node's store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreLocations {
    /// The folder of the local store.
    pub local: PathBuf,
    /// The limit of the local store, in bytes.
    pub limit: u64,
    /// The shared store.
    pub shared: Option<StoreUrl>,
}

impl StoreLocations {
    /// The default: a local store below the agent's cache and no shared store.
    pub fn below(cache: &Path) -> Self {
        Self { local: cache.join(LOCAL), limit: DEFAULT_LIMIT, shared: None }
    }
}
