//! Principal the node acts as, and what that identity may use.
//!
//! A source's own access list is the wall; an access file is the exposure with a sign on it. It is read before anything is
//! fetched, decides by its grants alone, and says why not and whom to ask.

mod access;
mod audit;
mod decision;
mod denial;
mod evaluate;
pub mod exposure;
#[cfg(test)]
mod fixtures;
mod identity;
mod principal;
mod raw;
mod secret_pattern;
mod wildcard;

pub use access::{Access, Database, Grant, Located, SslMode, UnknownDatabase, json_schema};
pub use audit::AuditLog;
pub use decision::{AccessRequest, Decision, Exemption, MatchedGrant, decide};
pub use denial::{Denial, explain, foreign_profile};
pub use evaluate::{Evaluation, evaluate};
pub use exposure::{Exposure, ProbeOutcome};
pub use identity::{Cloud, Identity, LocalUser};
pub use principal::Principal;
pub use secret_pattern::SecretPattern;
