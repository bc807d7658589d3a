//! The identity of the node, and the permissions of that identity.
//!
//! The access control of a secret source is the enforcement. An access file is checked before any secret is fetched: it
//! decides by its grants, and a denial names the reason and the contact.

mod access;
mod access_rules;
mod audit;
mod decision;
mod denial;
mod evaluate;
pub mod exposure;
#[cfg(test)]
mod fixtures;
mod identity;
mod identity_provider;
mod principal;
mod secret_pattern;
mod ssl_mode;
mod wildcard;
mod written;

pub use access::{Access, Database, Grant, Located, UnknownDatabase};
pub use access_rules::json_schema;
pub use audit::AuditLog;
pub use decision::{AccessRequest, Decision, Exemption, MatchedGrant, decide};
pub use denial::{Denial, explain, foreign_profile};
pub use evaluate::{Evaluation, evaluate};
pub use exposure::{Exposure, ProbeOutcome, TreeAccess};
pub use identity::{Identity, LocalUser};
pub use identity_provider::IdentityProvider;
pub use principal::Principal;
pub use secret_pattern::SecretPattern;
pub use ssl_mode::SslMode;
