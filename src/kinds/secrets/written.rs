//! `[secrets]` and `[[logins]]` as written.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    grammar::secret_source::SourceName,
    profile::{shorthand::Scalar, written::When},
};

/// The keys of this kind.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
pub struct Written {
    /// Secrets of the unit.
    #[serde(default)]
    pub secrets: Secrets,
    /// Logins for the servers that packages come from.
    #[serde(default)]
    pub logins: Vec<Login>,
}

/// Secrets of the unit.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Secrets {
    /// Where they come from: `databricks`, a scope of the workspace; `azure-key-vault`; `credstash`;
    /// `aws-secrets-manager`; `aws-parameter-store`; `env`, the agent's environment; `file`, a folder.
    pub source: Option<SourceName>,
    /// The scope they belong to.
    pub scope: Option<String>,
    /// For `file`: the folder that holds a folder per scope and in it a file per key.
    pub path: Option<String>,
    /// For `azure-key-vault`: the vault's name or address. Default: the scope.
    pub vault: Option<String>,
    /// For `credstash`: the table. Default: `credential-store`.
    pub table: Option<String>,
    /// For the sources of AWS: the region. Default: the node's.
    pub region: Option<String>,
    /// For `credstash`: the encryption context the secrets were written with.
    #[serde(default)]
    pub context: BTreeMap<String, String>,
    /// The secrets, and where each goes.
    #[serde(default)]
    pub items: Vec<SecretItem>,
    /// Files made from a text with secrets in it.
    #[serde(default)]
    pub templates: Vec<Template>,
}

impl Secrets {
    /// Whether anything is said about where the secrets are.
    pub fn names_a_place(&self) -> bool {
        self.source.is_some()
            || [&self.path, &self.vault, &self.table, &self.region].into_iter().any(Option::is_some)
            || !self.context.is_empty()
    }

    /// The same for other secrets.
    pub fn without_items(&self) -> Self {
        Self { items: Vec::new(), templates: Vec::new(), ..self.clone() }
    }
}

/// One secret, and where it goes.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct SecretItem {
    /// Its key in the scope.
    pub key: String,
    /// For `env`: the variable that holds it. Default: scope and key in capitals joined by `_`, other characters as `_`.
    pub env: Option<String>,
    /// Its name at the source, where that is another than the key: for `azure-key-vault`, whose names are the keys; and
    /// for `credstash`, `aws-secrets-manager` and `aws-parameter-store`, whose names are `SCOPE/KEY` (`/SCOPE/KEY`).
    pub name: Option<String>,
    /// Its version at the source, for the sources that take a `name`. Default: the latest.
    pub version: Option<String>,
    /// Where it goes.
    pub to: Delivery,
    /// On which nodes.
    pub when: Option<When>,
    /// Whether the run goes on when it fails. Default: false.
    #[serde(default)]
    pub optional: bool,
    /// Sections and entries that come first, such as `pip` or `files./etc/x`.
    #[serde(default)]
    pub after: Vec<String>,
    /// Sections and entries that come later.
    #[serde(default)]
    pub before: Vec<String>,
}

/// Where a secret goes: one of `file`, `env-file`, `pgpass`, `netrc`, `git-credentials` and `index`, with the keys that
/// belong to it. A path that begins with `~/` is in the owner's home.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Delivery {
    /// A file that holds the value and nothing else. A bare name is one in `/run/nodeagent/secrets/SCOPE`.
    pub file: Option<String>,
    /// A file of variables for `. FILE` and systemd's `EnvironmentFile=`; several secrets may go to one. A bare name is
    /// one in `/run/nodeagent/secrets/SCOPE`.
    pub env_file: Option<String>,
    /// For `env-file`: the variable.
    pub variable: Option<String>,
    /// A password file of PostgreSQL, such as `~/.pgpass`. Lines of others in it are kept.
    pub pgpass: Option<String>,
    /// For `pgpass`: the server; `*` is any.
    pub host: Option<String>,
    /// For `pgpass`: the server's port. Default: any.
    pub port: Option<Scalar>,
    /// For `pgpass`: the database. Default: any.
    pub database: Option<String>,
    /// For `pgpass`, `git-credentials` and `index`: who logs in.
    pub user: Option<String>,
    /// A netrc, such as `~/.netrc`. Entries of others in it are kept.
    pub netrc: Option<String>,
    /// For `netrc`: the server.
    pub machine: Option<String>,
    /// For `netrc`: who logs in.
    pub login: Option<String>,
    /// A file of git's credential helper `store`, such as `~/.git-credentials`. Lines of others in it are kept.
    pub git_credentials: Option<String>,
    /// For `git-credentials`: the server, such as `https://git.firm.example`.
    pub url: Option<String>,
    /// A package index behind a login, such as `https://pypi.firm.example/simple`: pip and uv find user and password in
    /// the file that `netrc` names. Default of that: `~/.netrc`.
    pub index: Option<String>,
    /// Its permissions, in octal, for `file` and `env-file`; the others have 0600. Default: 0400.
    pub mode: Option<String>,
    /// Its owner, a user name, or `user:group`. Default: root.
    pub owner: Option<String>,
}

/// A file made from a text with secrets in it.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[expect(clippy::struct_field_names, reason = "the fields are keys of the grammar")]
pub struct Template {
    /// The file. A bare name is one in `/run/nodeagent/secrets/SCOPE`; `~/` is the owner's home.
    pub file: String,
    /// The text, with `${secret.KEY}` for the value of a key of the scope.
    pub text: Option<String>,
    /// A file of the file store that holds the text.
    pub template: Option<String>,
    /// Its permissions, in octal. Default: 0400.
    pub mode: Option<String>,
    /// Its owner, a user name, or `user:group`. Default: root.
    pub owner: Option<String>,
    /// On which nodes.
    pub when: Option<When>,
    /// Whether the run goes on when it fails. Default: false.
    #[serde(default)]
    pub optional: bool,
    /// Sections and entries that come first, such as `pip` or `files./etc/x`.
    #[serde(default)]
    pub after: Vec<String>,
    /// Sections and entries that come later.
    #[serde(default)]
    pub before: Vec<String>,
}

/// A login for a server that packages come from.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Login {
    /// What it is for: an address and all that is below it, such as `https://pypi.example.org/`.
    pub url: String,
    /// The user name.
    pub user: String,
    /// The key of the password in the scope of `[secrets]`.
    pub key: String,
    /// For `env`: the variable that holds the password, as for items of `[secrets]`.
    pub env: Option<String>,
    /// The password's name at its source, as for items of `[secrets]`.
    pub name: Option<String>,
    /// The password's version at its source, as for items of `[secrets]`.
    pub version: Option<String>,
    /// On which nodes.
    pub when: Option<When>,
}
