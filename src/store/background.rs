//! Work that a store does beside the run, such as uploads.

use std::{
    sync::{MutexGuard, PoisonError},
    time::Duration,
};

use tokio::task::JoinSet;

use super::Store;

impl Store {
    /// Runs work beside the run. [`Store::settle`] waits for it.
    pub fn spawn_background(&self, work: impl Future<Output = ()> + Send + 'static) {
        // Outside of a runtime no task can run. Other nodes will publish the artefact.
        if tokio::runtime::Handle::try_current().is_ok() {
            self.background().spawn(work);
        }
    }

    /// Waits for all uploads, but not longer than `at_most`, then keeps the local store within its limit. Unfinished
    /// uploads are cancelled: another node will publish these objects.
    pub async fn settle(&self, at_most: Duration) {
        let mut under_way = JoinSet::new();
        // A task may spawn another one before it ends.
        let all = async {
            loop {
                under_way = std::mem::take(&mut *self.background());
                if under_way.is_empty() {
                    return;
                }
                while under_way.join_next().await.is_some() {}
            }
        };
        if tokio::time::timeout(at_most, all).await.is_err() {
            let count = under_way.len() + self.background().len();
            (self.0.warn)(format!("{count} uploads to the shared store did not finish in time"));
        }
        under_way.abort_all();
        self.background().abort_all();
        self.keep_within_bound().await;
    }

    pub(super) fn in_background(&self, work: impl Future<Output = ()> + Send + 'static) {
        if self.0.shared.is_some() {
            self.spawn_background(work);
        }
    }

    fn background(&self) -> MutexGuard<'_, JoinSet<()>> {
        self.0.background.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
