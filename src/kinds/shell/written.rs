//! `[shell]` as written.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::profile::{
    choices,
    shorthand::{Scalar, Shorthand},
    written::entry,
};

/// The keys of this kind.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
pub struct Written {
    /// Shell configuration.
    #[serde(default)]
    pub shell: Shell,
}

choices!(Style, "kebab-case" { Block, Whole });

/// Shell configuration.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Shell {
    /// Users whose `bashrc` and `vimrc` are written. Default: root.
    pub users: Option<Vec<String>>,
    /// Added to each user's `~/.bashrc`.
    pub bashrc: Option<Shorthand<Text>>,
    /// Added to each user's `~/.vimrc`.
    pub vimrc: Option<Shorthand<Text>>,
    /// Files of `/etc/profile.d`, by name without `.sh`.
    #[serde(default)]
    pub profile_d: BTreeMap<String, Shorthand<Text>>,
    /// Variables for every login shell, exported from `/etc/profile.d/nodeagent-variables.sh`.
    #[serde(default)]
    pub variables: BTreeMap<String, Scalar>,
}

entry! {
    /// A text, from the file store or from the profile. A plain string names a file of the file store.
    #[expect(clippy::struct_field_names, reason = "the fields are keys of the grammar")]
    pub struct Text {
        /// A file of the file store with the text.
        pub file: Option<String>,
        /// The text.
        pub text: Option<String>,
        /// `block` keeps the user's own lines around a marked block; `whole` replaces the file. Default: block for
        /// `bashrc` and `vimrc`, whole for `profile-d`.
        pub style: Option<Style>,
    } with when, optional, order
}
