//! Crash consistency: the disk after a power loss at any instant, and the recovery of the next run.
//!
//! A test runs the agent under strace and reads its file operations. From these it makes the states in which a disk may
//! be after a power loss ([`states`] has the model), writes each state into the node's folder, and runs the agent
//! again. This is the method of ALICE (Pillai et al., All File Systems Are Not Created Equal, OSDI 2014).

mod call;
mod disk;
mod history;
mod layers;
mod node_state;
mod planted;
mod recorder;
mod runs;
mod scenario;
mod states;
mod store;
