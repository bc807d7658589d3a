//! Blocking work, such as reading files, on a thread of its own.

use std::{
    sync::mpsc::{Receiver, RecvTimeoutError},
    time::Duration,
};

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

/// Work on a thread of its own that the caller can give up. The thread of work that was given up continues until the
/// process ends.
#[derive(Debug)]
pub(crate) struct Detached<T> {
    done: Receiver<T>,
    thread: std::thread::JoinHandle<()>,
}

impl<T: Send + 'static> Detached<T> {
    /// Starts the work.
    pub(crate) fn start(work: impl FnOnce() -> T + Send + 'static) -> Self {
        let (send, done) = std::sync::mpsc::sync_channel(1);
        // The same stack as the first thread of a process.
        let builder = std::thread::Builder::new().stack_size(8 << 20);
        // The caller may have given up.
        let thread = builder.spawn(move || drop(send.send(work())));
        Self { done, thread: thread.expect("the system permits a thread") }
    }

    /// Waits for the result. The error is the work itself, if it is not done after `limit`. Continues a panic of the
    /// work.
    pub(crate) fn wait(self, limit: Duration) -> Result<T, Self> {
        match self.done.recv_timeout(limit) {
            Ok(done) => Ok(done),
            Err(RecvTimeoutError::Timeout) => Err(self),
            Err(RecvTimeoutError::Disconnected) => match self.thread.join() {
                Err(panic) => std::panic::resume_unwind(panic),
                Ok(()) => unreachable!("work that ends without a panic sends its result"),
            },
        }
    }
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

    #[test]
    fn work_that_does_not_end_is_given_up() {
        assert_eq!(Detached::start(|| 7).wait(Duration::from_secs(60)).ok(), Some(7));
        let (end, wait) = std::sync::mpsc::channel::<()>();
        let late = Detached::start(move || wait.recv().is_err()).wait(Duration::from_millis(1)).expect_err("it waits");
        drop(end);
        assert_eq!(late.wait(Duration::from_secs(60)).ok(), Some(true));
        let panic = std::panic::catch_unwind(|| Detached::start(|| assert_eq!(1, 2)).wait(Duration::from_secs(60)));
        assert!(panic.is_err());
    }

    #[tokio::test]
    async fn a_value_is_returned_and_a_panic_is_an_error() {
        assert_eq!(blocking(|| 7).await.expect("a value"), 7);
        let error = blocking(|| assert_eq!(1, 2)).await.expect_err("a panic");
        assert!(error.to_string().contains("panicked"), "{error}");
    }
}
