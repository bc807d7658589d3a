//! The post-start stage. The launch run keeps a copy of the profile and of the files that the stage needs, and
//! starts a process of its own. That process waits until the node is ready, and then runs the entries of the stage.

mod launched;
mod launched_commit;
mod start;
mod wait;

pub use launched::Launched;
pub(super) use start::{StageStart, cancel};
pub use wait::{Waited, begin_session, begin_stage, wait_until_ready};
