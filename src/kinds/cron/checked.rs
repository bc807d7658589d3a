//! `[cron]` as checked.

use std::{collections::BTreeMap, path::PathBuf};

use crate::profile::Entry;

/// Scheduled jobs, by name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Cron(pub BTreeMap<String, Entry<Job>>);

/// A scheduled job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// The times, in a form that cron reads.
    pub schedule: String,
    /// The program and its arguments.
    pub command: Vec<String>,
    /// The user that the program runs as.
    pub user: String,
    /// Environment variables.
    pub environment: BTreeMap<String, String>,
    /// The file to which the output is appended.
    pub log: Option<PathBuf>,
}
