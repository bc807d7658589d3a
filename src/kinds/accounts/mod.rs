//! Users and groups of the node, and the memberships and keys of users.

mod act;
mod action;
mod changes;
mod checked;
mod commands;
mod desired;
mod grammar;
mod ids;
mod plan;
mod rules;
mod written;

pub use action::Action;
pub use checked::{Accounts, GroupAccount, UserAccount};
pub use desired::{DesiredGroup, DesiredUser, Membership};
pub use ids::with_planned;
