//! A checked access file: databases and grants.

use std::collections::{BTreeMap, BTreeSet};

use toml::de::DeTable;

use super::{principal::Principal, secret_pattern::SecretPattern, ssl_mode::SslMode};
use crate::{
    diagnostic::{Origin, nearest},
    secrets::Address,
};

/// A value with its position in the access file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Located<T> {
    /// The value.
    pub value: T,
    /// The line of the access file.
    pub origin: Origin,
}

/// The permissions in an access file. Without a file there are none, and only the access control of the sources
/// applies.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Access {
    /// The name of the file in messages. `None` without a file.
    pub file: Option<String>,
    /// The serial of the file.
    pub serial: Option<u64>,
    /// The contact for denied requests.
    pub contact: Option<String>,
    /// Databases by name.
    pub databases: BTreeMap<String, Database>,
    /// The grants.
    pub grants: Vec<Grant>,
}

/// A database that `nodeagent db` can connect to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Database {
    /// The name in the access file.
    pub name: String,
    /// The host of the server.
    pub host: String,
    /// The port of the server.
    pub port: u16,
    /// The name on the server.
    pub database: String,
    /// The TLS mode.
    pub sslmode: SslMode,
    /// The file with the certificates of the server's authorities, in the file store.
    pub ca: Option<String>,
    /// The address of the password, by user.
    pub users: BTreeMap<String, Address>,
    /// The position of its name.
    pub origin: Origin,
}

/// A grant: principals, and the secrets, databases and profiles that they may use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// The principals.
    pub who: Vec<Located<Principal>>,
    /// The secrets that they may read.
    pub read: Vec<Located<SecretPattern>>,
    /// The databases that they may connect to, each with the user.
    pub connect: Vec<Located<(String, String)>>,
    /// The units whose profiles they may use.
    pub profiles: Vec<Located<String>>,
    /// The contact for this grant.
    pub contact: Option<String>,
    /// The position of the grant.
    pub origin: Origin,
}

impl Access {
    /// The error for a database or a user that the file does not define. `None` if it defines both.
    pub fn unknown_database(&self, database: &str, user: &str) -> Option<UnknownDatabase> {
        let names = self.databases.iter();
        let names = names.map(|(name, known)| (name.as_str(), known.users.keys().map(String::as_str).collect()));
        unknown_database(&names.collect(), database, user)
    }

    /// Whether a text looks like an access file: no profile has these tables.
    pub fn is_recognized_in(text: &str) -> bool {
        let (table, _) = DeTable::parse_recoverable(text);
        ["grants", "databases"].iter().any(|key| table.get_ref().contains_key(*key))
    }

    /// Whether there is no access file.
    pub fn is_off(&self) -> bool {
        self.file.is_none()
    }
}

/// The names of the users, by database.
pub(super) type DatabaseNames<'a> = BTreeMap<&'a str, BTreeSet<&'a str>>;

/// A database or a user that the access file does not define.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownDatabase {
    /// The message.
    pub message: String,
    /// The most similar defined name.
    pub near: Option<String>,
    /// All defined names.
    pub known: Vec<String>,
}

/// The error for a database or a user that is not defined.
pub(super) fn unknown_database(databases: &DatabaseNames<'_>, database: &str, user: &str) -> Option<UnknownDatabase> {
    let error = |message: String, name: &str, known: Vec<&str>| UnknownDatabase {
        message,
        near: nearest(name, known.iter().copied()).map(str::to_owned),
        known: known.into_iter().map(str::to_owned).collect(),
    };
    match databases.get(database) {
        None => {
            Some(error(format!("there is no database `{database}`"), database, databases.keys().copied().collect()))
        }
        Some(users) if !users.contains(user) => {
            let message = format!("the database `{database}` has no user `{user}`");
            Some(error(message, user, users.iter().copied().collect()))
        }
        Some(_) => None,
    }
}
