//! `[secrets]` and `[[logins]]` as written.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    grammar::secret_source::SourceName,
    profile::{
        shorthand::Scalar,
        written::{When, entry},
    },
};

/// The keys of this kind.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
pub struct Written {
    /// Secrets of the unit.
    #[serde(default)]
    pub secrets: Secrets,
    /// Logins for package servers.
    #[serde(default)]
    pub logins: Vec<Login>,
}

/// Secrets of the unit.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Secrets {
    /// The source: `databricks`, a scope of the workspace; `azure-key-vault`; `credstash`; `aws-secrets-manager`;
    /// `aws-parameter-store`; `env`, the agent's environment; `file`, a folder.
    pub source: Option<SourceName>,
    /// The scope of the secrets.
    pub scope: Option<String>,
    /// For `file`: a folder with a subfolder for each scope and in it a file for each key.
    pub path: Option<String>,
    /// For `azure-key-vault`: the vault's name or address. Default: the scope.
    pub vault: Option<String>,
    /// For `credstash`: the table. Default: `credential-store`.
    pub table: Option<String>,
    /// For the sources of AWS: the region. Default: the node's.
    pub region: Option<String>,
    /// For `credstash`: the encryption context of the secrets.
    #[serde(default)]
    pub context: BTreeMap<String, String>,
    /// The secrets and their destinations.
    #[serde(default)]
    pub items: Vec<SecretItem>,
    /// Files made from a text with placeholders for secrets.
    #[serde(default)]
    pub templates: Vec<Template>,
}

impl Secrets {
    /// Whether any key about the source is set.
    pub fn has_source_keys(&self) -> bool {
        self.source.is_some()
            || [&self.path, &self.vault, &self.table, &self.region].into_iter().any(Option::is_some)
            || !self.context.is_empty()
    }

    /// The section without its secrets and templates.
    pub fn without_items(&self) -> Self {
        Self { items: Vec::new(), templates: Vec::new(), ..self.clone() }
    }
}

entry! {
    /// A secret and its destination.
    pub struct SecretItem {
        /// Its key in the scope.
        pub key: String,
        /// For `env`: the variable with the secret. Default: scope and key in capitals joined by `_`, other characters
        /// as `_`.
        pub env: Option<String>,
        /// The name at the source, if it differs from the default. The default is the key for `azure-key-vault`, and
        /// `SCOPE/KEY` (`/SCOPE/KEY`) for `credstash`, `aws-secrets-manager` and `aws-parameter-store`.
        pub name: Option<String>,
        /// The version at the source, for sources that accept a `name`. Default: the latest.
        pub version: Option<String>,
        /// The destination.
        pub to: Delivery,
    } with when, optional, order
}

/// The destination of a secret: one of `file`, `env-file`, `pgpass`, `netrc`, `git-credentials` and `index`, with the
/// keys that it requires. In a path, `~/` is the owner's home.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Delivery {
    /// A file that contains only the value. A bare name is a file in `/run/nodeagent/secrets/SCOPE`.
    pub file: Option<String>,
    /// A file of variables for `. FILE` and systemd's `EnvironmentFile=`. Several secrets may share one. A bare name is
    /// a file in `/run/nodeagent/secrets/SCOPE`.
    pub env_file: Option<String>,
    /// For `env-file`: the variable.
    pub variable: Option<String>,
    /// A password file of PostgreSQL, such as `~/.pgpass`. Other lines in it are kept.
    pub pgpass: Option<String>,
    /// For `pgpass`: the server; `*` is any.
    pub host: Option<String>,
    /// For `pgpass`: the server's port. Default: any.
    pub port: Option<Scalar>,
    /// For `pgpass`: the database. Default: any.
    pub database: Option<String>,
    /// For `pgpass`, `git-credentials` and `index`: the user name.
    pub user: Option<String>,
    /// A netrc, such as `~/.netrc`. Other entries in it are kept.
    pub netrc: Option<String>,
    /// For `netrc`: the server.
    pub machine: Option<String>,
    /// For `netrc`: the user name.
    pub login: Option<String>,
    /// A file of git's credential helper `store`, such as `~/.git-credentials`. Other lines in it are kept.
    pub git_credentials: Option<String>,
    /// For `git-credentials`: the server, such as `https://git.firm.example`.
    pub url: Option<String>,
    /// A package index that requires a login, such as `https://pypi.firm.example/simple`. pip and uv read the user name
    /// and the password from the file in `netrc`. Default of `netrc`: `~/.netrc`.
    pub index: Option<String>,
    /// Its permissions, in octal, for `file` and `env-file`. Other files have 0600. Default: 0400.
    pub mode: Option<String>,
    /// Its owner, a user name, or `user:group`. Default: root.
    pub owner: Option<String>,
}

entry! {
    /// A file made from a text with placeholders for secrets.
    #[expect(clippy::struct_field_names, reason = "the fields are keys of the grammar")]
    pub struct Template {
        /// The file. A bare name is a file in `/run/nodeagent/secrets/SCOPE`. `~/` is the owner's home.
        pub file: String,
        /// The text, with `${secret.KEY}` for the value of a key of the scope.
        pub text: Option<String>,
        /// A file of the file store with the text.
        pub template: Option<String>,
        /// Its permissions, in octal. Default: 0400.
        pub mode: Option<String>,
        /// Its owner, a user name, or `user:group`. Default: root.
        pub owner: Option<String>,
    } with when, optional, order
}

/// A login for a package server.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Login {
    /// The address. The login applies to it and to all addresses below it, such as `https://pypi.example.org/`.
    pub url: String,
    /// The user name.
    pub user: String,
    /// The key of the password in the scope of `[secrets]`.
    pub key: String,
    /// For `env`: the variable with the password, as for items of `[secrets]`.
    pub env: Option<String>,
    /// The password's name at its source, as for items of `[secrets]`.
    pub name: Option<String>,
    /// The password's version at its source, as for items of `[secrets]`.
    pub version: Option<String>,
    /// The nodes to which it applies.
    pub when: Option<When>,
}
