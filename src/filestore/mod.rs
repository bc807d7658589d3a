//! File stores that are not a local folder: DBFS, Volumes and workspace folders through the Databricks REST API, with
//! the node's own identity, and plain web servers.
//!
//! Files are copied to a mirror, a folder in the agent's cache. Before a copy is used, its version is compared with the
//! file store.

mod address;
mod error;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod http_range;
mod index;
mod mirror;
mod remote_client;
mod remote_entry;
mod transfer;

pub use self::{
    address::{AddressError, FileStoreAddress},
    error::FileStoreError,
    mirror::Mirror,
};
