//! The agent's command line, run as a program against fake nodes: no network, no real package tool.

#[path = "../support/mod.rs"]
mod support;

mod access;
mod bad_profiles;
mod by_hand;
mod check;
mod commands;
mod deliveries;
mod good_profiles;
mod layers;
mod locks;
mod plan;
mod refusals;
mod report;
mod run;
mod schema;
mod secrets;
mod store;
mod trust;
