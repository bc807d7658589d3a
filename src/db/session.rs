//! The parameters of a psql session.

use std::{path::PathBuf, time::Duration};

use crate::{auth::Database, redact::Secret};

/// A session of psql as a database user.
#[derive(Debug)]
pub struct PsqlSession<'a> {
    /// The database.
    pub database: &'a Database,
    /// The user.
    pub user: &'a str,
    /// The password of the user.
    pub password: &'a Secret,
    /// The file with the certificates of the server's authorities. `None` uses the authorities of the node.
    pub ca: Option<PathBuf>,
    /// The time limit of a statement.
    pub timeout: Option<Duration>,
}

/// The format of results.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutputFormat {
    /// A table for people.
    Table,
    /// Comma-separated values.
    Csv,
}
