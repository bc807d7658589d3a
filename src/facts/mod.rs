//! The facts of a node, read from files and environment variables. No program is started.

pub mod cluster;
pub mod dpkg;
pub mod node;
pub mod os;
pub mod python;
pub mod r;
pub mod runtime;
pub mod users;

pub use cluster::{ClusterName, ENVIRONMENTS};
pub use dpkg::Dpkg;
pub use node::{AccessMode, NodeFacts, Role};
pub use python::PythonEnv;
pub use r::RFacts;
