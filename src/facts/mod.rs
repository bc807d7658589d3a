//! The facts of a node, read from files and environment variables. No program is started.

mod authorities;
pub mod cluster;
pub mod dpkg;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod machine;
pub mod node;
pub mod os;
mod platform;
pub mod python;
pub mod r;
mod role;
pub mod runtime;
mod spark;
pub mod spark_conf;
pub mod users;
mod values;

pub use authorities::AuthorityStore;
pub use cluster::{ClusterName, ENVIRONMENTS};
pub use dpkg::Dpkg;
pub use node::{AccessMode, Environment, NodeFacts};
pub use platform::{Cloud, Platform};
pub use python::PythonEnv;
pub use r::{InstalledPackage, RFacts};
pub use role::Role;
