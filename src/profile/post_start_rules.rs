//! Rules of `[post-start]`.

use super::{
    Rules,
    head::Head,
    post_start::{READY_TIMEOUT, Ready},
    rules::place,
};

impl Rules<'_> {
    /// `ready` of `[post-start]`.
    pub(super) fn ready(&mut self, head: &Head) -> Option<Ready> {
        let raw = head.post_start.as_ref()?.ready.as_ref()?;
        let at = place!["post-start", "ready"];
        let probe = self.probe(&at, "ready", raw, READY_TIMEOUT)?;
        Some(Ready { probe, origin: self.origin(&at) })
    }
}
