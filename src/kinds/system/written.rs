//! `[system]` as written.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::profile::{
    Cases, EntryOptions, Long, conditional,
    shorthand::{ManyOr, OneOrMany, PlainOr, Scalar, Shorthand},
    written::{When, entry},
};

/// The keys of this kind.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
pub struct Written {
    /// Settings of the operating system.
    #[serde(default)]
    pub system: System,
}

/// Settings of the operating system.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct System {
    /// Kernel parameters, by their keys as in sysctl(8). A plain value is the `value`.
    pub sysctl: BTreeMap<String, Cases<PlainOr<Sysctl>>>,
    /// Names of hosts, by address: a name, a list of names, or a table.
    pub hosts: BTreeMap<String, ManyOr<Host>>,
    /// Swap files, by path. A string is the `size`.
    pub swap: BTreeMap<String, Cases<Shorthand<Swap>>>,
    /// Mounts, by the absolute path of their folder.
    pub mounts: BTreeMap<String, Cases<Mount>>,
    /// Selected programs of update-alternatives, by name. A string is the `path`.
    pub alternatives: BTreeMap<String, Cases<Shorthand<Alternative>>>,
    /// Folders in which the dynamic linker looks for libraries. A string is the `path`.
    pub ldconfig: Vec<Shorthand<LibraryFolder>>,
    /// The time zone, such as `Europe/Berlin`. A string is the `name`.
    pub timezone: Option<Cases<Shorthand<Named>>>,
    /// The host name. A string is the `name`.
    pub hostname: Option<Cases<Shorthand<Named>>>,
}

/// A kernel parameter.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Sysctl {
    /// The value.
    pub value: Scalar,
    /// The nodes to which it applies.
    pub when: Option<When>,
}

/// The names of an address.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Host {
    /// A name, or a list of names.
    pub names: OneOrMany<String>,
    /// The nodes to which it applies.
    pub when: Option<When>,
}

entry! {
    /// A swap file.
    pub struct Swap {
        /// Its size: a whole number with `M`, `G` or `T`, such as `16G`.
        pub size: String,
    } with when, optional, timeout, order
}

entry! {
    /// A mount.
    pub struct Mount {
        /// The device, server or bucket.
        pub what: String,
        /// The type of the file system, as for mount(8).
        pub r#type: String,
        /// The options, joined by commas or as a list. Default: `defaults`.
        pub options: Option<OneOrMany<String>>,
    } with when, optional, timeout, order
}

entry! {
    /// The selected program of a group of update-alternatives.
    pub struct Alternative {
        /// Its absolute path.
        pub path: String,
    } with when, optional, timeout, order
}

/// A folder of libraries.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct LibraryFolder {
    /// Its absolute path.
    pub path: String,
    /// The nodes to which it applies.
    pub when: Option<When>,
}

/// A name.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Named {
    /// The name.
    pub name: String,
    /// The nodes to which it applies.
    pub when: Option<When>,
}

conditional!(Sysctl);
conditional!(Swap);
conditional!(Mount);
conditional!(Alternative);
conditional!(Named);

impl Long for LibraryFolder {
    const KEY: &'static str = "path";

    fn name(&self) -> &str {
        &self.path
    }

    fn options(&self) -> EntryOptions<'_> {
        EntryOptions { when: self.when.as_ref(), ..EntryOptions::default() }
    }
}
