//! `[installers]` as written.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::kinds::programs::WrittenPrograms;

/// The keys of this kind.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
pub struct Written {
    /// Installers: programs that install software and prove it.
    #[serde(default)]
    pub installers: WrittenPrograms,
}
