//! The events that end a run from outside: its deadline, Ctrl-C, SIGTERM.

use std::time::Duration;

use tokio::{
    signal::unix::{SignalKind, signal},
    sync::watch,
    time::Instant,
};

use crate::report::event::Outcome;

/// Signals when a run must end, and the reason.
#[derive(Debug, Clone)]
pub struct Stop {
    reason: watch::Receiver<Option<Outcome>>,
}

impl Stop {
    /// Watches the signals of this process and a deadline, counted from now.
    ///
    /// # Errors
    /// If the operating system refuses the signal handlers.
    pub fn watch(deadline: Duration) -> std::io::Result<Self> {
        let (tell, reason) = watch::channel(None);
        let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        let deadline = Instant::now() + deadline;
        tokio::spawn(async move {
            let outcome = tokio::select! {
                _ = interrupt.recv() => Outcome::Interrupted,
                _ = terminate.recv() => Outcome::Interrupted,
                () = tokio::time::sleep_until(deadline) => Outcome::DeadlinePassed,
            };
            // The run may have ended, so the channel may have no receiver.
            let _ = tell.send(Some(outcome));
        });
        Ok(Self { reason })
    }

    /// Never ends a run.
    #[cfg(test)]
    pub(super) fn never() -> (watch::Sender<Option<Outcome>>, Self) {
        let (tell, reason) = watch::channel(None);
        (tell, Self { reason })
    }

    /// Waits until the run must end.
    pub async fn requested(&self) -> Outcome {
        let mut reason = self.reason.clone();
        let reason = reason.wait_for(Option::is_some).await.ok().and_then(|reason| *reason);
        match reason {
            Some(outcome) => outcome,
            // Without the watcher no stop can arrive.
            None => std::future::pending().await,
        }
    }

    /// The reason why the run must end, if it must.
    pub fn reason(&self) -> Option<Outcome> {
        *self.reason.borrow()
    }
}
