//! Blocking work of steps that returns a result of its own.

use crate::task::{self, TaskError};

/// Runs file system work on a thread for blocking operations. A panic of the work becomes an error.
pub(crate) async fn run_blocking<T, E>(work: impl FnOnce() -> Result<T, E> + Send + 'static) -> Result<T, E>
where
    T: Send + 'static,
    E: From<TaskError> + Send + 'static,
{
    task::blocking(work).await?
}
