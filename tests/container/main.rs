//! Ring 5: real nodes with real apt, pip and R. Each test starts its own nodes through `scripts/node` and stops them.
//!
//! Needs a Docker engine, or root on Debian or Ubuntu. With `NODEAGENT_SKIP_CONTAINERS=1` every test passes at once and
//! prints the reason. The binary under test is the one in `NODEAGENT_BINARY`, else `target/static/nodeagent`.

#[path = "../support/free_port.rs"]
mod free_port;

mod accounts;
mod bad_disks;
mod cert;
mod debs;
mod env;
mod examples;
mod failures;
mod faults;
mod files;
mod full_disks;
mod kills;
mod layers;
mod lifecycle;
mod locks;
mod locks_and_signals;
mod platforms;
mod post_start;
mod programs;
mod python;
mod python_builds;
mod python_venvs;
mod r_builds;
mod r_git;
mod refusals;
mod repositories;
mod services;
mod shared;
mod shim;
mod signed_files;
mod sixteen;
mod support;
mod system;
mod users;
