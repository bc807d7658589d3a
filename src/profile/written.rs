//! The part of the grammar that is common to all kinds, as written: the head of a profile, conditions, files.
//!
//! The JSON Schema, the shape check and the parser all come from these types, so they cannot disagree.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::shorthand::{OneOrMany, Scalar};

/// A profile of a node: the packages, shell configuration and secrets of a business unit.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(title = "nodeagent profile")]
pub(crate) struct Head {
    /// Version of the grammar. It must be 1.
    pub(crate) schema: u32,
    /// The profile's name: lower-case letters, digits and dashes.
    pub(crate) name: String,
    /// The business unit. A cluster of another unit refuses the profile. Default: any cluster may use it.
    pub(crate) business_unit: Option<String>,
    /// A description in one line.
    #[expect(dead_code, reason = "part of the grammar, read by people only")]
    pub(crate) description: Option<String>,
    /// Profiles that this one extends, by name or path, in order. Values of this profile take precedence.
    #[serde(default)]
    pub(crate) extends: Vec<String>,
    /// Values for `${vars.NAME}`; `--set NAME=VALUE` overrides them.
    #[serde(default)]
    pub(crate) vars: BTreeMap<String, Scalar>,
}

/// The nodes to which an entry applies. All conditions must hold. A list holds if one of its values does.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct When {
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
    /// Environment variables: a text must be equal, `true` means set, `false` means not set.
    #[serde(default)]
    pub env: BTreeMap<String, Scalar>,
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
    (@add [order] $meta:tt $name:ident { $($fields:tt)* }) => {
        $crate::profile::written::entry!(@add [] $meta $name {
            $($fields)*
            /// Sections and entries that come first, such as `pip` or `files./etc/x`.
            #[serde(default)]
            pub after: Vec<String>,
            /// Sections and entries that come later.
            #[serde(default)]
            pub before: Vec<String>,
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

entry! {
    /// A file from the file store.
    pub struct File {
        /// Its path: next to the profile, in the unit's tree or in Admin's, or absolute.
        pub path: String,
        /// The expected SHA-256, 64 hexadecimal digits.
        pub sha256: Option<String>,
    } with when, optional, timeout
}

/// A file from the file store with its digest.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct PinnedFile {
    /// Its path.
    pub path: String,
    /// The expected SHA-256, 64 hexadecimal digits.
    pub sha256: Option<String>,
}
