//! Loads a profile with the sections of all kinds.

use serde_json::Value;

use super::list::{Profile, Sections};
use crate::profile::{self, ProfileError, Request};

/// Loads and checks a profile.
///
/// # Errors
/// All mistakes of all files.
pub fn load(request: &Request<'_>) -> Result<Profile, ProfileError> {
    profile::load(request)
}

/// The JSON Schema of a profile.
pub fn json_schema() -> Value {
    profile::json_schema::<Sections>()
}
