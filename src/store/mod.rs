//! The artefact store: objects, named by their SHA-256, and entries, which map a key to objects.
//!
//! A store has a local tier on the node and may have a shared tier. Bytes are hashed before they are used. A file
//! appears in a tier only when it is complete. An error of the store never fails a run: artefacts that the store cannot
//! deliver are fetched from their origin.

mod backend;
mod backend_error;
mod background;
mod blocking;
mod bucket;
mod entries;
mod entry;
mod error;
mod folder;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod key;
mod layout;
mod lease;
mod local;
mod locations;
mod maintenance;
mod node_store;
mod object;
mod objects;
mod receiver;
mod shared;
mod single_flight;
mod stall;
mod store_url;
mod stored_file;
mod usage;
mod visibility;
mod warn;

#[cfg(test)]
mod tests;

pub use entry::{Entry, Member};
pub use error::StoreError;
pub use key::{Key, Kind};
pub use lease::{Lease, LeaseGuard};
pub use locations::{DEFAULT_LIMIT, StoreLocations};
pub use maintenance::{MaintenanceReport, StoreStats, Tier, VerifyReport};
pub use node_store::Store;
pub use object::Object;
pub use single_flight::{FetchPermit, SingleFlight};
pub use store_url::{StoreUrl, StoreUrlError};
pub use visibility::Visibility;
pub use warn::Warn;
