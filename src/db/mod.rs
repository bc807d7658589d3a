//! Connections to databases with psql. The password is not written to a disk, an argument or an environment variable:
//! psql reads it from a file in memory.

mod error;
mod passfile;
mod psql;
mod session;

pub use error::DbError;
pub use session::{OutputFormat, PsqlSession};
