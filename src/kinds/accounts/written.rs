//! `[users]` and `[groups]` as written.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::profile::{
    Cases, conditional,
    shorthand::Shorthand,
    written::{Asset, SecretKey, entry},
};

/// The keys of this kind.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
pub struct Written {
    /// Users, by name.
    #[serde(default)]
    pub users: BTreeMap<String, Cases<User>>,
    /// Groups, by name.
    #[serde(default)]
    pub groups: BTreeMap<String, Cases<Group>>,
}

entry! {
    /// A user. An existing user keeps every attribute that the profile does not set.
    pub struct User {
        /// Additional groups. Memberships are added and never removed.
        #[serde(default)]
        pub groups: Vec<String>,
        /// The primary group. Default for a new user: a group with the name of the user.
        pub group: Option<String>,
        /// The user id. Default: the next free one.
        pub uid: Option<i64>,
        /// Whether a new user is a system user. Default: false.
        #[serde(default)]
        pub system: bool,
        /// The home folder. Default for a new user: `/home/NAME`.
        pub home: Option<String>,
        /// The login shell. Default for a new user: that of useradd.
        pub shell: Option<String>,
        /// The comment, usually the full name.
        pub comment: Option<String>,
        /// Whether the home folder is created. Default: true, unless `system` is set.
        pub create_home: Option<bool>,
        /// Public keys for SSH: files of the file store, or keys as text.
        #[serde(default)]
        pub authorized_keys: Vec<Shorthand<Asset>>,
        /// The password, as a secret that is a hash of crypt(5).
        pub password: Option<SecretKey>,
    } with when, optional, timeout, order, stage
}

entry! {
    /// A group.
    pub struct Group {
        /// The group id. Default: the next free one.
        pub gid: Option<i64>,
        /// Whether a new group is a system group. Default: false.
        #[serde(default)]
        pub system: bool,
    } with when, optional, timeout, order, stage
}

conditional!(User, stage);
conditional!(Group, stage);
