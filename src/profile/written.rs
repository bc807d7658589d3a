//! The parts of the grammar that several kinds use, as written: conditions, files, the common keys of entries.
//!
//! The JSON Schema, the shape check and the parser all come from these types, so they cannot disagree.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::shorthand::{OneOrMany, Scalar, Shorthand};

/// A table of conditions. `more` are its other keys. serde could share the keys with `flatten`, but would then accept
/// unknown keys.
macro_rules! conditions {
    ($(#[$meta:meta])* $name:ident { $($more:tt)* }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
        #[serde(deny_unknown_fields, rename_all = "kebab-case")]
        pub struct $name {
            /// Driver or worker.
            pub role: Option<OneOrMany<Role>>,
            /// Environment, from the cluster's name.
            pub environment: Option<OneOrMany<Environment>>,
            /// Mode, from the cluster's name.
            pub mode: Option<OneOrMany<Mode>>,
            /// A regular expression that must match somewhere in the cluster's name.
            pub cluster_name: Option<String>,
            /// The cluster's business unit. Upper and lower case are equal.
            pub business_unit: Option<OneOrMany<String>>,
            /// Operating system: `ubuntu`, `debian`, `ubuntu-22.04`, or a code name such as `bookworm`.
            pub os: Option<OneOrMany<String>>,
            /// Processor.
            pub arch: Option<OneOrMany<Arch>>,
            /// Runtime version with a comparison, such as `>=14.3` or `>=14.3, <16`.
            pub runtime: Option<String>,
            /// Access mode of the cluster.
            pub access_mode: Option<OneOrMany<AccessMode>>,
            /// The platform that started the node.
            pub platform: Option<OneOrMany<Platform>>,
            /// The cloud that the node is a machine of.
            pub cloud: Option<OneOrMany<Cloud>>,
            /// Whether the node has a graphics processor of NVIDIA.
            pub gpu: Option<bool>,
            /// A path that exists on the node before the run.
            pub path: Option<OneOrMany<String>>,
            /// Environment variables: a text must be equal, `true` means set, `false` means not set.
            #[serde(default)]
            pub env: BTreeMap<String, Scalar>,
            /// Variables of `[vars]`, compared like `env`, except that the value `false` counts as not set.
            #[serde(default)]
            pub vars: BTreeMap<String, Scalar>,
            $($more)*
        }

        impl $name {
            /// The conditions of the table itself.
            pub(super) fn conditions(&self) -> Conditions<'_> {
                Conditions {
                    role: self.role.as_ref(),
                    environment: self.environment.as_ref(),
                    mode: self.mode.as_ref(),
                    cluster_name: self.cluster_name.as_deref(),
                    business_unit: self.business_unit.as_ref(),
                    os: self.os.as_ref(),
                    arch: self.arch.as_ref(),
                    runtime: self.runtime.as_deref(),
                    access_mode: self.access_mode.as_ref(),
                    platform: self.platform.as_ref(),
                    cloud: self.cloud.as_ref(),
                    gpu: self.gpu,
                    path: self.path.as_ref(),
                    env: &self.env,
                    vars: &self.vars,
                }
            }
        }
    };
}

conditions! {
    /// The nodes to which an entry applies. All conditions must hold. A list holds if one of its values does.
    When {
        /// Conditions that must not all hold.
        pub not: Option<Negated>,
    }
}

conditions! {
    /// Conditions that must not all hold.
    Negated {}
}

/// The conditions of a table, without `not`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Conditions<'a> {
    pub(super) role: Option<&'a OneOrMany<Role>>,
    pub(super) environment: Option<&'a OneOrMany<Environment>>,
    pub(super) mode: Option<&'a OneOrMany<Mode>>,
    pub(super) cluster_name: Option<&'a str>,
    pub(super) business_unit: Option<&'a OneOrMany<String>>,
    pub(super) os: Option<&'a OneOrMany<String>>,
    pub(super) arch: Option<&'a OneOrMany<Arch>>,
    pub(super) runtime: Option<&'a str>,
    pub(super) access_mode: Option<&'a OneOrMany<AccessMode>>,
    pub(super) platform: Option<&'a OneOrMany<Platform>>,
    pub(super) cloud: Option<&'a OneOrMany<Cloud>>,
    pub(super) gpu: Option<bool>,
    pub(super) path: Option<&'a OneOrMany<String>>,
    pub(super) env: &'a BTreeMap<String, Scalar>,
    pub(super) vars: &'a BTreeMap<String, Scalar>,
}

/// An enumeration of the grammar. Its values are the variant names in the given case.
macro_rules! choices {
    ($(#[$doc:meta])* $name:ident, $case:literal { $($(#[$variant_doc:meta])* $variant:ident),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
        #[serde(rename_all = $case)]
        #[schemars(inline)]
        pub enum $name { $($(#[$variant_doc])* $variant),+ }
    };
}
pub(crate) use choices;

/// A struct of the grammar for an entry. `with` lists the keys that entries of several kinds share; `order` stands for
/// `after` and `before`. serde could share them with `flatten`, but would then accept unknown keys.
macro_rules! entry {
    ($(#[$meta:meta])* pub struct $name:ident { $($fields:tt)* } with $($shared:ident),+) => {
        $crate::profile::written::entry!(@add [$($shared)+] [$(#[$meta])*] $name { $($fields)* });
    };
    (@add [when $($rest:ident)*] $meta:tt $name:ident { $($fields:tt)* }) => {
        $crate::profile::written::entry!(@add [$($rest)*] $meta $name {
            $($fields)*
            /// The nodes to which it applies.
            pub when: Option<$crate::profile::written::When>,
        });
    };
    (@add [optional $($rest:ident)*] $meta:tt $name:ident { $($fields:tt)* }) => {
        $crate::profile::written::entry!(@add [$($rest)*] $meta $name {
            $($fields)*
            /// Whether the run continues if it fails. Default: false.
            #[serde(default)]
            pub optional: bool,
        });
    };
    (@add [timeout $($rest:ident)*] $meta:tt $name:ident { $($fields:tt)* }) => {
        $crate::profile::written::entry!(@add [$($rest)*] $meta $name {
            $($fields)*
            /// The time limit, such as `90s` or `5m`.
            pub timeout: Option<String>,
        });
    };
    (@add [order $($rest:ident)*] $meta:tt $name:ident { $($fields:tt)* }) => {
        $crate::profile::written::entry!(@add [$($rest)*] $meta $name {
            $($fields)*
            /// Sections and entries that come first, such as `pip` or `files./etc/x`.
            #[serde(default)]
            pub after: Vec<String>,
            /// Sections and entries that come later.
            #[serde(default)]
            pub before: Vec<String>,
        });
    };
    (@add [stage] $meta:tt $name:ident { $($fields:tt)* }) => {
        $crate::profile::written::entry!(@add [] $meta $name {
            $($fields)*
            /// When it runs. Default: `launch`.
            pub stage: Option<$crate::profile::RunStage>,
        });
    };
    (@add [] [$(#[$meta:meta])*] $name:ident { $($fields:tt)* }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
        #[serde(deny_unknown_fields, rename_all = "kebab-case")]
        pub struct $name { $($fields)* }
    };
}
pub(crate) use entry;

choices!(Role, "kebab-case" { Driver, Worker });
choices!(Environment, "PascalCase" { Dev, PreProd, Prod });
choices!(Mode, "PascalCase" { Discovery, Operational });
choices!(Arch, "kebab-case" { Amd64, Arm64 });
choices!(AccessMode, "kebab-case" { Dedicated, Standard, NoIsolation });
choices!(Platform, "kebab-case" { Databricks, Dataproc, Emr, Other });
choices!(Cloud, "kebab-case" { Aws, Azure, Gcp });

entry! {
    /// A file: a path in the file store, a path of the node, or an address.
    pub struct File {
        /// Its path: next to the profile, in the unit's tree or in Admin's, or absolute.
        pub path: Option<String>,
        /// Its address instead of a path, or a list of addresses that are tried in order.
        pub url: Option<OneOrMany<String>>,
        /// The expected SHA-256, 64 hexadecimal digits, or one for each processor.
        pub sha256: Option<Shorthand<Digests>>,
        /// The signature of a file on a server, instead of `sha256`.
        pub signed_by: Option<SignedBy>,
    } with when, optional, timeout
}

/// A file: a path in the file store, a path of the node, or an address.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Asset {
    /// Its path: next to the profile, in the unit's tree or in Admin's, or absolute.
    pub path: Option<String>,
    /// Its address instead of a path, or a list of addresses that are tried in order.
    pub url: Option<OneOrMany<String>>,
    /// The expected SHA-256, 64 hexadecimal digits, or one for each processor.
    pub sha256: Option<Shorthand<Digests>>,
    /// The signature of a file on a server, instead of `sha256`.
    pub signed_by: Option<SignedBy>,
}

/// The signature of a file on a server.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct SignedBy {
    /// The text of a minisign public key, or a file with it. With `fingerprint`, a file of OpenPGP keys.
    pub key: Option<Shorthand<SignedFile>>,
    /// The fingerprint of the OpenPGP key, or a list with the fingerprint of each key in the file.
    pub fingerprint: Option<OneOrMany<String>>,
    /// The file with the signature. Default: the address of the file with `.minisig`, or with `.asc` for OpenPGP.
    pub signature: Option<Shorthand<SignedFile>>,
}

/// A key or a signature: a path in the file store, a path of the node, or an address.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct SignedFile {
    /// Its path: next to the profile, in the unit's tree or in Admin's, or absolute.
    pub path: Option<String>,
    /// Its address instead of a path, or a list of addresses that are tried in order.
    pub url: Option<OneOrMany<String>>,
    /// The expected SHA-256, 64 hexadecimal digits, or one for each processor.
    pub sha256: Option<Shorthand<Digests>>,
}

/// One digest for each processor.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Digests {
    /// For x86-64.
    pub amd64: Option<String>,
    /// For 64-bit ARM.
    pub arm64: Option<String>,
}

/// The key of a secret.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct SecretKey {
    /// The key in the scope of `[secrets]`.
    pub secret: String,
}
