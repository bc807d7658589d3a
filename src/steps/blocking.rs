//! Runs blocking work on tokio's thread pool, for work whose failure does not fail the run.

pub(crate) use crate::diagnostic::in_words as words;

/// The reason of a failure, for a warning.
pub(crate) type Why = String;

/// Runs file system work on a thread for blocking operations.
pub(crate) async fn run_blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Why> + Send + 'static,
) -> Result<T, Why> {
    crate::task::blocking(work).await.unwrap_or_else(|error| Err(error.to_string()))
}
