//! Secrets and their sources, one file for each source. A run fetches all its secrets at the same time.

mod address;
pub mod aws;
pub mod credstash;
pub mod databricks;
mod error;
mod fetch;
pub mod file_formats;
mod key_vault;
mod keys;
mod local;
mod scope;
mod source_name;

pub use address::Address;
pub use error::SecretError;
pub use fetch::{fetch, fetch_all};
pub use key_vault::names as key_vault_names;
pub use keys::{keys, probe_all};
pub use scope::{CREDSTASH_TABLE, SecretScope, Source, key_vault, variable};
pub use source_name::SourceName;

pub use crate::{cloud::aws::is_region, redact::Secret};
