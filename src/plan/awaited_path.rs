//! A path that must exist before a run, unless a step of the run creates it.

use std::path::PathBuf;

use crate::problem::Problem;

/// A path that does not exist and that a step needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AwaitedPath {
    /// The path on the node.
    pub path: PathBuf,
    /// The problem if no other step creates the path or a folder above it.
    pub problem: Problem,
}
