//! `[hooks]` as written.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::kinds::programs::WrittenPrograms;

/// The keys of this kind.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
pub struct Written {
    /// Hooks: programs that run last, one after another.
    #[serde(default)]
    pub hooks: WrittenPrograms,
}
