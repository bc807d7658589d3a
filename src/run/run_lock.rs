//! Takes the lock of the node's runs.

use std::time::Duration;

use super::{job::Job, stop::Stop};
use crate::{
    problem::Problem,
    report::event::{EventKind, Outcome},
    state::{LockError, RunLock},
};

/// The interval between attempts to take a lock that another process has.
const LOCK_INTERVAL: Duration = Duration::from_millis(200);

/// The lock, and whether another process had it before.
pub(super) struct Locked {
    #[expect(dead_code, reason = "held, not used")]
    lock: RunLock,
    pub(super) waited: bool,
}

/// Takes the run lock. Waits for another run, which may have done all the work.
pub(super) async fn take_lock(job: &Job, stop: &Stop) -> Result<Result<Locked, Outcome>, Vec<Problem>> {
    let mut reported = None;
    loop {
        match RunLock::take(&job.root) {
            Ok(lock) => return Ok(Ok(Locked { lock, waited: reported.is_some() })),
            Err(LockError::Held { holder }) => {
                if reported.as_ref() != Some(&holder) {
                    let lock = crate::state::folder(&job.root).join("lock").display().to_string();
                    job.events.send(EventKind::Waiting { step: None, lock, holder: holder.clone() });
                    reported = Some(holder);
                }
            }
            Err(error) => {
                let hint = match &error {
                    LockError::Fs(error) => error.hint(),
                    _ => None,
                };
                return Err(vec![Problem::from_error(&error).hint(hint)]);
            }
        }
        tokio::select! {
            outcome = stop.requested() => return Ok(Err(outcome)),
            () = tokio::time::sleep(LOCK_INTERVAL) => {}
        }
    }
}
