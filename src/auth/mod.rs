//! Who the node acts as, and what that identity may use.
//!
//! A source's own access list is the wall; an access file is the door with a sign on it. It is read before anything is
//! fetched, decides by its grants alone, and says why not and whom to ask.

mod access;
mod audit;
mod decision;
mod denial;
pub mod doors;
mod identity;
mod judge;
mod pattern;
mod raw;
mod readable;
#[cfg(test)]
mod sample;
mod who;

pub use access::{Access, Database, Grant, Placed, SslMode, Unknown, json_schema};
pub use audit::AuditLog;
pub use decision::{Decision, Free, Granted, Wish, decide};
pub use denial::{Denial, explain, foreign_profile};
pub use doors::{Door, Found};
pub use identity::{Cloud, Identity, LocalUser};
pub use judge::{Judgement, judge};
pub use readable::Readable;
pub use who::Who;
