//! Blocking work, such as reading files, on a thread of its own.

use std::time::Duration;

use tokio::runtime::Handle;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

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

/// Runs work that may block on a thread outside the async runtime. A caller that stops waiting leaves the thread
/// behind: the work itself cannot be cancelled.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, TaskError> {
    Ok(tokio::task::spawn_blocking(work).await?)
}

/// Work in threads of their own, which can be given up together.
#[derive(Debug, Default)]
pub(crate) struct Threads {
    tracker: TaskTracker,
    cancelled: CancellationToken,
}

impl Threads {
    /// Does asynchronous work in a thread of its own until it is done, or its time is over (`None`). A caller that
    /// stops waiting gives the work up. Work that is given up by [`Threads::end`] never returns.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        limit: Option<Duration>,
        work: impl AsyncFnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        let cancelled = self.cancelled.child_token();
        let _guard = cancelled.clone().drop_guard();
        let runtime = Handle::current();
        let thread = self.tracker.spawn_blocking(move || {
            runtime.block_on(async {
                let limited = async {
                    match limit {
                        Some(limit) => tokio::time::timeout(limit, work()).await.ok(),
                        None => Some(work().await),
                    }
                };
                tokio::select! {
                    done = limited => Some(done),
                    () = cancelled.cancelled() => None,
                }
            })
        });
        match thread.await {
            Ok(Some(done)) => done,
            Ok(None) => std::future::pending().await,
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        }
    }

    /// Gives up all work, and waits until every thread has ended.
    pub(crate) async fn end(&self) {
        self.cancelled.cancel();
        self.tracker.close();
        self.tracker.wait().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn work_in_a_thread_returns_ends_in_time_and_can_be_given_up() {
        let threads = Threads::default();
        assert_eq!(threads.run(None, async || 7).await, Some(7));
        let forever = async || std::future::pending::<()>().await;
        assert_eq!(threads.run(Some(Duration::from_millis(10)), forever).await, None);
        tokio::select! {
            _ = threads.run(None, forever) => panic!("it never returns"),
            () = threads.end() => {}
        }
    }

    #[tokio::test]
    async fn a_value_is_returned_and_a_panic_is_an_error() {
        assert_eq!(blocking(|| 7).await.expect("a value"), 7);
        let error = blocking(|| assert_eq!(1, 2)).await.expect_err("a panic");
        assert!(error.to_string().contains("panicked"), "{error}");
    }
}
