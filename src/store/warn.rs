//! Warnings of the store.

use std::sync::Arc;

/// Receives warnings.
pub type Warn = Arc<dyn Fn(String) + Send + Sync>;
