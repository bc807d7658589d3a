//! Work whose failure stops no run: why it failed is told in words, and something else is done instead.

pub(crate) use crate::diagnostic::in_words as words;

/// Why, in words.
pub(crate) type Why = String;

/// Works on files beside the runtime's own threads.
pub(crate) async fn run_blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Why> + Send + 'static,
) -> Result<T, Why> {
    crate::task::blocking(work).await.unwrap_or_else(|error| Err(error.to_string()))
}
