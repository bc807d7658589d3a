//! Blocking work, such as reading files, on a thread of its own.

/// A task that returned nothing: it panicked, or the runtime was shut down.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub(crate) struct TaskError(#[from] tokio::task::JoinError);

impl TaskError {
    /// Continues the panic of the task in the caller.
    pub(crate) fn resume(self) -> ! {
        std::panic::resume_unwind(self.0.into_panic())
    }
}

/// Runs work that may block on a thread outside the async runtime. A caller that stops waiting leaves the thread behind:
/// the work itself cannot be cancelled.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, TaskError> {
    Ok(tokio::task::spawn_blocking(work).await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_value_is_returned_and_a_panic_is_an_error() {
        assert_eq!(blocking(|| 7).await.expect("a value"), 7);
        let error = blocking(|| assert_eq!(1, 2)).await.expect_err("a panic");
        assert!(error.to_string().contains("panicked"), "{error}");
    }
}
