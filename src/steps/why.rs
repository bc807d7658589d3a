//! Work whose failure stops no run: why it failed is told in words, and something else is done instead.

/// Why, in words.
pub(super) type Why = String;

/// Works on files beside the runtime's own threads.
pub(super) async fn beside<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Why> + Send + 'static,
) -> Result<T, Why> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(error.to_string()))
}

/// An error and all that caused it, in one line.
pub(super) fn words(error: &dyn std::error::Error) -> Why {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    text
}
