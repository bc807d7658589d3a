//! `[users]` and `[groups]` as checked.

use std::{collections::BTreeMap, path::PathBuf};

use crate::profile::{Content, Entry, SecretRef};

/// Users and groups, by name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Accounts {
    /// Users.
    pub users: BTreeMap<String, Entry<UserAccount>>,
    /// Groups.
    pub groups: BTreeMap<String, Entry<GroupAccount>>,
}

/// A user.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UserAccount {
    /// Additional groups.
    pub groups: Vec<String>,
    /// The primary group.
    pub group: Option<String>,
    /// The user id.
    pub uid: Option<u32>,
    /// Whether a new user is a system user.
    pub system: bool,
    /// The home folder.
    pub home: Option<PathBuf>,
    /// The login shell.
    pub shell: Option<String>,
    /// The comment.
    pub comment: Option<String>,
    /// Whether the home folder is created.
    pub create_home: Option<bool>,
    /// Public keys for SSH.
    pub authorized_keys: Vec<Content>,
    /// The hash of the password.
    pub password: Option<SecretRef>,
}

impl UserAccount {
    /// Whether a new user gets a home folder.
    pub fn creates_home(&self) -> bool {
        self.create_home.unwrap_or(!self.system)
    }
}

/// A group.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct GroupAccount {
    /// The group id.
    pub gid: Option<u32>,
    /// Whether a new group is a system group.
    pub system: bool,
}
