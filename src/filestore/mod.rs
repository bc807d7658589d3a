//! File stores that no folder of the node leads to: DBFS, Volumes and workspace folders over the workspace's REST
//! interfaces, as the node's own identity, and plain web servers.
//!
//! What is asked for is brought into a folder of the agent's cache, a mirror, and used from there. Nothing of it is used
//! before the store itself was asked whether it is still the same.

mod address;
mod error;
mod index;
mod mirror;
mod remote_client;
mod transfer;

pub use self::{
    address::{AddressError, FileStoreAddress},
    error::FileStoreError,
    mirror::Mirror,
};
