//! Tests of the command line: they run the program against fake nodes, without network and package tools.

#[path = "../support/mod.rs"]
mod support;

#[path = "../support/stages.rs"]
mod stages;

#[path = "../support/http_server.rs"]
#[expect(dead_code, reason = "shared with the unit tests of the library")]
mod http_server;

mod access;
mod accounts;
mod apt_keys;
mod archives;
mod bad_profiles;
mod by_hand;
mod certs;
mod check;
mod commands;
mod crash;
mod cron;
mod deliveries;
mod environment;
mod faults;
mod files;
mod git;
mod good_profiles;
mod import_graph;
mod jars;
mod kills;
mod layers;
mod locks;
mod modes;
mod order;
mod plain_http;
mod plan;
mod post_start;
mod programs;
mod r_git;
mod refusals;
mod report;
mod roles;
mod run;
mod schema;
mod secrets;
mod services;
mod shim;
mod signed_by;
mod store;
mod system;
mod take_back;
mod trust;
mod venvs;
