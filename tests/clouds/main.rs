//! nodeagent against official clients and servers: it must read the same values as the official clients.
//!
//! `scripts/clients` installs them. All servers are on loopback or in a network namespace.

#[path = "../support/mod.rs"]
#[expect(dead_code, reason = "shared with the tests of the command line")]
mod support;

#[path = "../support/http_server.rs"]
#[expect(dead_code, reason = "shared with the unit tests of the library")]
mod http_server;

#[path = "../support/free_port.rs"]
mod free_port;

#[path = "../support/stages.rs"]
mod stages;

#[path = "../cluster/nodes.rs"]
#[expect(dead_code, reason = "shared with the tests of a cluster")]
mod nodes;
#[path = "../cluster/origin.rs"]
mod origin;

mod access;
mod agreement;
mod aws;
mod azure;
mod bucket_assets;
mod buckets;
mod canary;
mod changing;
mod contract;
mod cutting_proxy;
mod database;
mod databricks;
mod deliveries;
mod filestore;
mod jars;
mod layers;
mod locks;
mod minisign;
mod packages;
mod post_start;
mod private;
mod schema;
mod server;
mod spark;
mod spark_conf;
mod store;
mod trees;
mod workspace;
