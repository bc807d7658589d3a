//! Ring 4: real nodes, real apt, pip and R. Each test starts a node of its own through `scripts/node` and stops it.
//!
//! Needs a Docker engine, or root on Debian or Ubuntu; with `NODEAGENT_SKIP_CONTAINERS=1` every test passes at once and
//! says why. The binary under test is `target/static/nodeagent`, or what `NODEAGENT_BINARY` names.

mod builds;
mod debs;
mod disks;
mod failures;
mod full;
mod kept;
mod kills;
mod layers;
mod life;
mod locks;
mod others;
mod people;
mod platforms;
mod python;
mod refusals;
mod repositories;
mod shared;
mod sixteen;
mod support;
