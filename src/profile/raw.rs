//! A profile as written: the types that define the grammar. The JSON Schema, the shape check and the parser all come
//! from these types, so they cannot disagree.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::forms::{Entry, OneOrMany, Scalar};
use crate::grammar::secret_source::SourceName;

/// What one kind of node is to be: packages, shell configuration and secrets of a business unit.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(title = "nodeagent profile")]
pub(super) struct RawProfile {
    /// Version of the grammar; this is 1.
    pub(super) schema: u32,
    /// The profile's name: lower-case letters, digits and dashes.
    pub(super) name: String,
    /// The business unit it belongs to; a cluster of another unit refuses it. Without it, any cluster may use it.
    pub(super) business_unit: Option<String>,
    /// One line for people.
    #[expect(dead_code, reason = "part of the grammar, read by people only")]
    pub(super) description: Option<String>,
    /// Profiles this one builds on, by name or path, first to last; what is said here wins.
    #[serde(default)]
    pub(super) extends: Vec<String>,
    /// Values for `${vars.NAME}`; `--set NAME=VALUE` overrides them.
    #[serde(default)]
    pub(super) vars: BTreeMap<String, Scalar>,
    /// Debian packages.
    #[serde(default)]
    pub(super) apt: RawApt,
    /// Python distributions.
    #[serde(default)]
    pub(super) pip: RawPip,
    /// Wheel files from the file store.
    #[serde(default)]
    pub(super) wheel: RawWheel,
    /// R packages.
    #[serde(default)]
    pub(super) r: RawR,
    /// Shell configuration.
    #[serde(default)]
    pub(super) shell: RawShell,
    /// Secrets of the unit.
    #[serde(default)]
    pub(super) secrets: RawSecrets,
    /// Logins for the servers that packages come from.
    #[serde(default)]
    pub(super) logins: Vec<RawLogin>,
}

/// On which nodes an entry counts. All conditions must hold; a list holds when one of its values does.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct RawWhen {
    /// Driver or worker.
    pub(super) role: Option<OneOrMany<RawRole>>,
    /// Environment, from the cluster's name.
    pub(super) environment: Option<OneOrMany<RawEnvironment>>,
    /// Mode, from the cluster's name.
    pub(super) mode: Option<OneOrMany<RawMode>>,
    /// A regular expression that must match somewhere in the cluster's name.
    pub(super) cluster_name: Option<String>,
    /// The cluster's business unit, without case.
    pub(super) business_unit: Option<OneOrMany<String>>,
    /// Operating system: `ubuntu`, `debian`, `ubuntu-22.04`, or a code name such as `bookworm`.
    pub(super) os: Option<OneOrMany<String>>,
    /// Processor.
    pub(super) arch: Option<OneOrMany<RawArch>>,
    /// Runtime version with a comparison, such as `>=14.3` or `>=14.3, <16`.
    pub(super) runtime: Option<String>,
    /// Access mode of the cluster.
    pub(super) access_mode: Option<OneOrMany<RawAccessMode>>,
    /// Environment variables: a text must be equal, `true` means set, `false` means not set.
    #[serde(default)]
    pub(super) env: BTreeMap<String, Scalar>,
}

macro_rules! names {
    ($(#[$doc:meta])* $name:ident, $case:literal { $($(#[$variant_doc:meta])* $variant:ident),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
        #[serde(rename_all = $case)]
        #[schemars(inline)]
        pub(super) enum $name { $($(#[$variant_doc])* $variant),+ }
    };
}
names!(RawRole, "kebab-case" { Driver, Worker });
names!(RawEnvironment, "PascalCase" { Dev, PreProd, Prod });
names!(RawMode, "PascalCase" { Discovery, Operational });
names!(RawArch, "kebab-case" { Amd64, Arm64 });
names!(RawAccessMode, "kebab-case" { Dedicated, Standard, NoIsolation });
names!(RawGuard, "kebab-case" { Runtime, Off });
names!(RawInstaller, "kebab-case" { Auto, Pip });
names!(RawStyle, "kebab-case" { Block, Whole });

/// Debian packages.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct RawApt {
    /// Packages by name; `name=version` pins one.
    #[serde(default)]
    pub(super) packages: Vec<Entry<RawAptPackage>>,
    /// Package files from the file store, installed with their dependencies.
    #[serde(default)]
    pub(super) debs: Vec<Entry<RawFile>>,
    /// Further package sources.
    #[serde(default)]
    pub(super) sources: Vec<RawAptSource>,
    /// Answers to questions that packages ask.
    #[serde(default)]
    pub(super) debconf: Vec<RawDebconf>,
    /// Whether recommended packages are installed too. Default: false.
    pub(super) recommends: Option<bool>,
    /// Whether dpkg waits for the disk after each file, so that a crash of the machine loses nothing. Default: false.
    pub(super) wait_for_disk: Option<bool>,
}

/// A Debian package.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct RawAptPackage {
    /// The package, `name` or `name=version`.
    pub(super) name: String,
    /// On which nodes.
    pub(super) when: Option<RawWhen>,
    /// Whether the run goes on when it fails. Default: false.
    #[serde(default)]
    pub(super) optional: bool,
    /// How long it may take, such as `90s` or `5m`.
    pub(super) timeout: Option<String>,
}

/// A file from the file store.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct RawFile {
    /// Its path: beside the profile, in the unit's tree or in Admin's, or absolute.
    pub(super) path: String,
    /// The SHA-256 it must have, 64 hexadecimal digits.
    pub(super) sha256: Option<String>,
    /// On which nodes.
    pub(super) when: Option<RawWhen>,
    /// Whether the run goes on when it fails. Default: false.
    #[serde(default)]
    pub(super) optional: bool,
    /// How long it may take, such as `90s` or `5m`.
    pub(super) timeout: Option<String>,
}

/// A package source, as a deb822 file describes one.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct RawAptSource {
    /// Its name, that of the file in `/etc/apt/sources.list.d`.
    pub(super) name: String,
    /// Addresses of the repository.
    pub(super) uris: OneOrMany<String>,
    /// Suites, such as `jammy` or `./`.
    pub(super) suites: OneOrMany<String>,
    /// Components, such as `main`; none for a flat repository.
    #[serde(default)]
    pub(super) components: Vec<String>,
    /// Architectures; the node's own when not given.
    #[serde(default)]
    pub(super) architectures: Vec<String>,
    /// The key file from the file store.
    pub(super) key: String,
    /// The key's fingerprint, 40 hexadecimal digits; spaces are ignored.
    pub(super) fingerprint: String,
    /// On which nodes.
    pub(super) when: Option<RawWhen>,
}

/// An answer to a question that a package asks.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct RawDebconf {
    /// The package that asks.
    pub(super) package: String,
    /// The question, such as `msodbcsql18/accept-eula`.
    pub(super) question: String,
    /// Its type, such as `boolean`, `string` or `select`.
    pub(super) r#type: String,
    /// The answer.
    pub(super) value: Scalar,
    /// On which nodes.
    pub(super) when: Option<RawWhen>,
}

/// Python distributions.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct RawPip {
    /// Requirements, such as `nltk` or `spacy[lookups]>=3.7`.
    #[serde(default)]
    pub(super) packages: Vec<Entry<RawRequirement>>,
    /// Requirements files from the file store.
    #[serde(default)]
    pub(super) requirements: Vec<Entry<RawFile>>,
    /// What may not change: `runtime`, all that the runtime ships; or `off`. Default: runtime.
    pub(super) guard: Option<RawGuard>,
    /// Distributions that may change although the runtime ships them.
    #[serde(default)]
    pub(super) allow_change: Vec<String>,
    /// The package index. Default: what the node is configured for.
    pub(super) index_url: Option<String>,
    /// Further package indexes.
    #[serde(default)]
    pub(super) extra_index_urls: Vec<String>,
    /// Modules to import when all is installed; one that cannot be imported fails the step.
    #[serde(default)]
    pub(super) smoke: Vec<String>,
    /// The environment's interpreter. Default: /databricks/python/bin/python.
    pub(super) python: Option<String>,
    /// Which program installs: `auto` takes uv when it can be had, else pip; `pip`. Default: auto.
    pub(super) installer: Option<RawInstaller>,
    /// A uv binary or wheel from the file store, to be used when the node has none.
    pub(super) uv: Option<Entry<RawPinnedFile>>,
    /// Whether modules are byte-compiled when installed. Default: true.
    pub(super) compile: Option<bool>,
    /// Whether nothing of this section needs what apt installs, so that both may run at once. Default: false.
    pub(super) beside_apt: Option<bool>,
}

/// A file from the file store with its digest.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct RawPinnedFile {
    /// Its path.
    pub(super) path: String,
    /// The SHA-256 it must have, 64 hexadecimal digits.
    pub(super) sha256: Option<String>,
}

/// A Python requirement.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct RawRequirement {
    /// The requirement, such as `spacy>=3.7`.
    pub(super) name: String,
    /// On which nodes.
    pub(super) when: Option<RawWhen>,
    /// Whether the run goes on when it fails. Default: false.
    #[serde(default)]
    pub(super) optional: bool,
    /// How long it may take, such as `90s` or `5m`.
    pub(super) timeout: Option<String>,
}

/// Wheel files from the file store.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct RawWheel {
    /// The files, resolved together with what `pip` asks for.
    #[serde(default)]
    pub(super) files: Vec<Entry<RawFile>>,
}

/// R packages.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct RawR {
    /// The library that receives them. Default: /databricks/spark/R/lib.
    pub(super) library: Option<String>,
    /// Repositories, in order of preference. Default: <https://cloud.r-project.org/>.
    #[serde(default)]
    pub(super) repos: Vec<String>,
    /// Packages by name; `name@version` pins one.
    #[serde(default)]
    pub(super) packages: Vec<Entry<RawRPackage>>,
    /// Source or binary archives from the file store.
    #[serde(default)]
    pub(super) sources: Vec<Entry<RawFile>>,
}

/// An R package.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct RawRPackage {
    /// The package, `name` or `name@version`.
    pub(super) name: String,
    /// On which nodes.
    pub(super) when: Option<RawWhen>,
    /// Whether the run goes on when it fails. Default: false.
    #[serde(default)]
    pub(super) optional: bool,
    /// How long it may take, such as `90s` or `5m`.
    pub(super) timeout: Option<String>,
}

/// Shell configuration.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct RawShell {
    /// Users who get `bashrc` and `vimrc`. Default: root.
    pub(super) users: Option<Vec<String>>,
    /// Added to each user's `~/.bashrc`.
    pub(super) bashrc: Option<Entry<RawText>>,
    /// Added to each user's `~/.vimrc`.
    pub(super) vimrc: Option<Entry<RawText>>,
    /// Files of `/etc/profile.d`, by name without `.sh`.
    #[serde(default)]
    pub(super) profile_d: BTreeMap<String, Entry<RawText>>,
    /// Variables for every login shell, exported from `/etc/profile.d/nodeagent-variables.sh`.
    #[serde(default)]
    pub(super) variables: BTreeMap<String, Scalar>,
}

/// A text, from a file of the file store or from the profile itself. A plain string names a file.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct RawText {
    /// A file of the file store that holds the text.
    pub(super) file: Option<String>,
    /// The text itself.
    pub(super) text: Option<String>,
    /// `block` keeps the user's own lines around a marked block; `whole` replaces the file. Default: block for `bashrc`
    /// and `vimrc`, whole for `profile-d`.
    pub(super) style: Option<RawStyle>,
    /// On which nodes.
    pub(super) when: Option<RawWhen>,
    /// Whether the run goes on when it fails. Default: false.
    #[serde(default)]
    pub(super) optional: bool,
}

/// Secrets of the unit.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct RawSecrets {
    /// Where they come from: `databricks`, a scope of the workspace; `azure-key-vault`; `credstash`;
    /// `aws-secrets-manager`; `aws-parameter-store`; `env`, the agent's environment; `file`, a folder.
    pub(super) source: Option<SourceName>,
    /// The scope they belong to.
    pub(super) scope: Option<String>,
    /// For `file`: the folder that holds a folder per scope and in it a file per key.
    pub(super) path: Option<String>,
    /// For `azure-key-vault`: the vault's name or address. Default: the scope.
    pub(super) vault: Option<String>,
    /// For `credstash`: the table. Default: `credential-store`.
    pub(super) table: Option<String>,
    /// For the sources of AWS: the region. Default: the node's.
    pub(super) region: Option<String>,
    /// For `credstash`: the encryption context the secrets were written with.
    #[serde(default)]
    pub(super) context: BTreeMap<String, String>,
    /// The secrets, and where each goes.
    #[serde(default)]
    pub(super) items: Vec<RawSecretItem>,
    /// Files made from a text with secrets in it.
    #[serde(default)]
    pub(super) templates: Vec<RawTemplate>,
}

impl RawSecrets {
    /// Whether anything is said about where the secrets are.
    pub(super) fn names_a_place(&self) -> bool {
        self.source.is_some()
            || [&self.path, &self.vault, &self.table, &self.region].into_iter().any(Option::is_some)
            || !self.context.is_empty()
    }

    /// The same for other secrets.
    pub(super) fn without_items(&self) -> Self {
        Self { items: Vec::new(), templates: Vec::new(), ..self.clone() }
    }
}

/// One secret, and where it goes.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct RawSecretItem {
    /// Its key in the scope.
    pub(super) key: String,
    /// For `env`: the variable that holds it. Default: scope and key in capitals joined by `_`, other characters as `_`.
    pub(super) env: Option<String>,
    /// Its name at the source, where that is another than the key: for `azure-key-vault`, whose names are the keys; and
    /// for `credstash`, `aws-secrets-manager` and `aws-parameter-store`, whose names are `SCOPE/KEY` (`/SCOPE/KEY`).
    pub(super) name: Option<String>,
    /// Its version at the source, for the sources that take a `name`. Default: the latest.
    pub(super) version: Option<String>,
    /// Where it goes.
    pub(super) to: RawDelivery,
    /// On which nodes.
    pub(super) when: Option<RawWhen>,
    /// Whether the run goes on when it fails. Default: false.
    #[serde(default)]
    pub(super) optional: bool,
}

/// Where a secret goes: one of `file`, `env-file`, `pgpass`, `netrc`, `git-credentials` and `index`, with the keys that
/// belong to it. A path that begins with `~/` is in the owner's home.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct RawDelivery {
    /// A file that holds the value and nothing else. A bare name is one in `/run/nodeagent/secrets/SCOPE`.
    pub(super) file: Option<String>,
    /// A file of variables for `. FILE` and systemd's `EnvironmentFile=`; several secrets may go to one. A bare name is
    /// one in `/run/nodeagent/secrets/SCOPE`.
    pub(super) env_file: Option<String>,
    /// For `env-file`: the variable.
    pub(super) variable: Option<String>,
    /// A password file of PostgreSQL, such as `~/.pgpass`. Lines of others in it are kept.
    pub(super) pgpass: Option<String>,
    /// For `pgpass`: the server; `*` is any.
    pub(super) host: Option<String>,
    /// For `pgpass`: the server's port. Default: any.
    pub(super) port: Option<Scalar>,
    /// For `pgpass`: the database. Default: any.
    pub(super) database: Option<String>,
    /// For `pgpass`, `git-credentials` and `index`: who logs in.
    pub(super) user: Option<String>,
    /// A netrc, such as `~/.netrc`. Entries of others in it are kept.
    pub(super) netrc: Option<String>,
    /// For `netrc`: the server.
    pub(super) machine: Option<String>,
    /// For `netrc`: who logs in.
    pub(super) login: Option<String>,
    /// A file of git's credential helper `store`, such as `~/.git-credentials`. Lines of others in it are kept.
    pub(super) git_credentials: Option<String>,
    /// For `git-credentials`: the server, such as `https://git.firm.example`.
    pub(super) url: Option<String>,
    /// A package index behind a login, such as `https://pypi.firm.example/simple`: pip and uv find user and password in
    /// the file that `netrc` names. Default of that: `~/.netrc`.
    pub(super) index: Option<String>,
    /// Its permissions, in octal, for `file` and `env-file`; the others have 0600. Default: 0400.
    pub(super) mode: Option<String>,
    /// Its owner, a user name, or `user:group`. Default: root.
    pub(super) owner: Option<String>,
}

/// A file made from a text with secrets in it.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct RawTemplate {
    /// The file. A bare name is one in `/run/nodeagent/secrets/SCOPE`; `~/` is the owner's home.
    pub(super) file: String,
    /// The text, with `${secret.KEY}` for the value of a key of the scope.
    pub(super) text: Option<String>,
    /// A file of the file store that holds the text.
    pub(super) template: Option<String>,
    /// Its permissions, in octal. Default: 0400.
    pub(super) mode: Option<String>,
    /// Its owner, a user name, or `user:group`. Default: root.
    pub(super) owner: Option<String>,
    /// On which nodes.
    pub(super) when: Option<RawWhen>,
    /// Whether the run goes on when it fails. Default: false.
    #[serde(default)]
    pub(super) optional: bool,
}

/// A login for a server that packages come from.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct RawLogin {
    /// What it is for: an address and all that is below it, such as `https://pypi.example.org/`.
    pub(super) url: String,
    /// The user name.
    pub(super) user: String,
    /// The key of the password in the scope of `[secrets]`.
    pub(super) key: String,
    /// For `env`: the variable that holds the password, as for items of `[secrets]`.
    pub(super) env: Option<String>,
    /// The password's name at its source, as for items of `[secrets]`.
    pub(super) name: Option<String>,
    /// The password's version at its source, as for items of `[secrets]`.
    pub(super) version: Option<String>,
    /// On which nodes.
    pub(super) when: Option<RawWhen>,
}
