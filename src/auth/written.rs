//! The format of an access file, as types.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::ssl_mode::SslMode;
use crate::grammar::secret_source::SourceName;

/// Permissions for secrets, databases and the profiles of other units. Everything that no grant permits is denied.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(title = "nodeagent access file")]
pub(super) struct Access {
    /// The version of the format: 1.
    pub(super) schema: u32,
    /// A number that increases with each change. With trusted keys, a node refuses a file with a lower serial than that
    /// of a file that it has used before.
    pub(super) serial: Option<u64>,
    /// The contact for denied requests: an address, a channel or a name.
    pub(super) contact: Option<String>,
    /// The databases for `nodeagent db`.
    #[serde(default)]
    pub(super) databases: Vec<Database>,
    /// The grants.
    #[serde(default)]
    pub(super) grants: Vec<Grant>,
}

/// A `PostgreSQL` database.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "Database")]
#[expect(clippy::struct_field_names, reason = "the fields are keys of the grammar")]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Database {
    /// The name in grants and commands.
    pub(super) name: String,
    /// The host of the server.
    pub(super) host: String,
    /// The port of the server. Default: 5432.
    pub(super) port: Option<i64>,
    /// The name on the server. Default: `name`.
    pub(super) database: Option<String>,
    /// The TLS mode, with the names of libpq. Default: verify-full.
    pub(super) sslmode: Option<SslMode>,
    /// A file in the file store with the certificates of the server's authorities. Default: the authorities of the
    /// node.
    pub(super) ca: Option<String>,
    /// The users that `nodeagent db` can connect as.
    #[serde(default)]
    pub(super) users: Vec<User>,
}

/// A user of a database server.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "DatabaseUser")]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct User {
    /// The name of the user on the server.
    pub(super) name: String,
    /// The secret with the password of the user.
    pub(super) secret: Secret,
}

/// The address of a secret.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "Secret")]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Secret {
    /// The source of the secret.
    pub(super) source: SourceName,
    /// The scope of the secret.
    pub(super) scope: String,
    /// The key in the scope.
    pub(super) key: String,
    /// For `env`: the variable. Default: scope and key in capitals, joined by `_`.
    pub(super) env: Option<String>,
    /// The name at the source, for sources with names. Default: made of scope and key.
    pub(super) name: Option<String>,
    /// The version at the source. Default: the latest.
    pub(super) version: Option<String>,
    /// For `file`: the folder that contains a folder for each scope, with a file for each key.
    pub(super) path: Option<String>,
    /// For `azure-key-vault`: the name or the address of the vault. Default: the scope.
    pub(super) vault: Option<String>,
    /// For `credstash`: the table. Default: `credential-store`.
    pub(super) table: Option<String>,
    /// For sources of AWS: the region. Default: the region of the node.
    pub(super) region: Option<String>,
    /// For `credstash`: the encryption context that the secret was written with.
    #[serde(default)]
    pub(super) context: BTreeMap<String, String>,
}

/// A grant: principals, and the secrets, databases and profiles that they may use.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "Grant")]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Grant {
    /// The principals: groups, service principals, users, AWS roles, Azure objects, clusters, local users.
    ///
    /// The grant applies to an identity that matches one of them.
    pub(super) who: Vec<String>,
    /// The secrets to read: `SCOPE`, `SCOPE/KEY` (a `*` in the key matches any characters), or `SOURCE:PLACE` for a
    /// secret that is not at the default address of its scope and key.
    #[serde(default)]
    pub(super) read: Vec<String>,
    /// The databases to connect to: `DATABASE:USER`.
    #[serde(default)]
    pub(super) connect: Vec<String>,
    /// The other units whose profiles may be used and whose trees may be read.
    #[serde(default)]
    pub(super) profiles: Vec<String>,
    /// The contact for this grant. Default: the contact of the file.
    pub(super) contact: Option<String>,
}
