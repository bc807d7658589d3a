//! The wanted state of groups and users on this node.

use std::path::PathBuf;

use super::checked::UserAccount;

/// A group to create.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DesiredGroup {
    /// The profile that names it.
    pub profile: String,
    /// Its name.
    pub name: String,
    /// Its id.
    pub gid: u32,
    /// Whether it is a system group.
    pub system: bool,
}

/// The wanted state of a user on this node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DesiredUser {
    /// The profile that names it.
    pub profile: String,
    /// Its name.
    pub name: String,
    /// Its attributes as the profile has them.
    pub account: UserAccount,
    /// Its id.
    pub uid: u32,
    /// The id of its primary group.
    pub gid: u32,
    /// The name of its primary group.
    pub primary: String,
    /// Its home folder.
    pub home: PathBuf,
    /// The additional groups that exist before packages are installed.
    pub groups_now: Vec<String>,
}

/// A user, and groups to join.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Membership {
    /// The user.
    pub user: String,
    /// The groups.
    pub groups: Vec<String>,
}
