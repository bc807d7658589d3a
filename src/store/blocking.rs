//! Work on files in blocking threads.

use crate::task;

/// Runs work on files in a blocking thread.
pub(super) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    task::blocking(work).await.unwrap_or_else(|error| error.resume())
}
