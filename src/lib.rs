//! nodeagent prepares the nodes of a data cluster: it reads a business unit's profile, reads the state of the node,
//! plans the missing steps, and runs them in parallel.
//!
//! Data flow: profile text → checked profile → plus facts → plan → run → events → report. `ARCHITECTURE.md` has the
//! order of the modules.

pub mod auth;
pub mod certificate;
pub mod cli;
pub mod cloud;
pub mod db;
pub mod diagnostic;
pub mod digest;
pub mod exec;
pub mod facts;
pub mod filestore;
pub mod fs;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
pub(crate) mod grammar;
pub mod http;
pub mod inventory;
pub mod kinds;
pub mod lock;
pub mod managed_block;
pub(crate) mod openpgp;
pub mod plan;
pub mod problem;
pub mod profile;
pub mod redact;
pub mod report;
pub mod run;
pub mod secrets;
pub mod state;
pub mod steps;
pub mod store;
pub(crate) mod task;
pub mod trust;

#[cfg(test)]
#[path = "../tests/support/http_server.rs"]
pub(crate) mod test_server;
