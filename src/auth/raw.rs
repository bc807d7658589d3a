//! An access file as written: the types that define its grammar.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::access::SslMode;
use crate::grammar::secret_source::SourceName;

/// Principal may use what: secrets, databases and the profiles of other units. What no grant gives is not allowed.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(title = "nodeagent access file")]
pub(super) struct RawAccess {
    /// Version of the grammar; this is 1.
    pub(super) schema: u32,
    /// A number that grows with each change: under trusted keys a node that has seen a higher one refuses this file.
    pub(super) serial: Option<u64>,
    /// Whom somebody asks who was refused: an address, a channel, a name.
    pub(super) contact: Option<String>,
    /// Databases that `nodeagent db` knows.
    #[serde(default)]
    pub(super) databases: Vec<RawDatabase>,
    /// What is allowed, and to whom.
    #[serde(default)]
    pub(super) grants: Vec<RawGrant>,
}

/// A `PostgreSQL` database.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct RawDatabase {
    /// Its name in grants and commands.
    pub(super) name: String,
    /// The server.
    pub(super) host: String,
    /// The server's port. Default: 5432.
    pub(super) port: Option<i64>,
    /// Its name on the server. Default: its name here.
    pub(super) database: Option<String>,
    /// How the connection is secured, in the words of libpq. Default: verify-full.
    pub(super) sslmode: Option<SslMode>,
    /// The certificates of the server's authorities: a file of the file store. Default: those of the system.
    pub(super) ca: Option<String>,
    /// The users of the server that may be connected as.
    #[serde(default)]
    pub(super) users: Vec<RawUser>,
}

/// A user of a database server.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct RawUser {
    /// The user's name on the server.
    pub(super) name: String,
    /// Where the user's password is.
    pub(super) secret: RawSecret,
}

/// Where a secret is.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct RawSecret {
    /// Where it comes from.
    pub(super) source: SourceName,
    /// The scope it belongs to.
    pub(super) scope: String,
    /// Its key in the scope.
    pub(super) key: String,
    /// For `env`: the variable that matches it. Default: scope and key in capitals joined by `_`.
    pub(super) env: Option<String>,
    /// Its name at the source, for the sources with names of their own. Default: from scope and key.
    pub(super) name: Option<String>,
    /// Its version at the source. Default: the latest.
    pub(super) version: Option<String>,
    /// For `file`: the folder that matches a folder per scope and in it a file per key.
    pub(super) path: Option<String>,
    /// For `azure-key-vault`: the vault's name or address. Default: the scope.
    pub(super) vault: Option<String>,
    /// For `credstash`: the table. Default: `credential-store`.
    pub(super) table: Option<String>,
    /// For the sources of AWS: the region. Default: the node's.
    pub(super) region: Option<String>,
    /// For `credstash`: the encryption context it was written with.
    #[serde(default)]
    pub(super) context: BTreeMap<String, String>,
}

/// What some may use.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct RawGrant {
    /// Groups, service principals, users, AWS roles, Azure objects, clusters, users of the node: one that matches is enough.
    pub(super) who: Vec<String>,
    /// Secrets that may be read: `SCOPE`, `SCOPE/KEY` with a `*` for any characters in the key, or `SOURCE:PLACE` for
    /// one that is not where its scope and key say.
    #[serde(default)]
    pub(super) read: Vec<String>,
    /// Databases that may be connected to: `DATABASE:USER`.
    #[serde(default)]
    pub(super) connect: Vec<String>,
    /// Other units whose profiles may be used, and whose trees may be read.
    #[serde(default)]
    pub(super) profiles: Vec<String>,
    /// Whom to ask for this; the file's own contact when not given.
    pub(super) contact: Option<String>,
}
