//! The auth layer against the real thing: official servers answer nodeagent, and official clients say the same.
//!
//! `scripts/clients` installs them. Everything is on loopback or in a network namespace of its own.

#[path = "../support/mod.rs"]
#[expect(dead_code, reason = "shared with the tests of the command line")]
mod support;

#[path = "../support/http_server.rs"]
#[expect(dead_code, reason = "shared with the unit tests of the library")]
mod http_server;

#[path = "../cluster/nodes.rs"]
#[expect(dead_code, reason = "shared with the tests of a cluster")]
mod nodes;
#[path = "../cluster/origin.rs"]
mod origin;

mod access;
mod agreement;
mod aws;
mod azure;
mod buckets;
mod canary;
mod changing;
mod contract;
mod database;
mod databricks;
mod deliveries;
mod filestore;
mod layers;
mod line;
mod locks;
mod minisign;
mod packages;
mod private;
mod server;
mod store;
mod workspace;
