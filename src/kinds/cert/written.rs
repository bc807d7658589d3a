//! `[cert]` as written.

use schemars::JsonSchema;
use serde::Deserialize;

use super::checked::Store;
use crate::profile::{
    shorthand::Shorthand,
    written::{File, SecretKey},
};

/// The keys of this kind.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
pub struct Written {
    /// CA certificates that the node trusts.
    #[serde(default)]
    pub cert: Cert,
}

/// CA certificates that the node trusts.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Cert {
    /// Files with certificates in PEM or DER: paths in the file store, which may be globs, or folders with `/` at the
    /// end; or addresses.
    #[serde(default)]
    pub files: Vec<Shorthand<File>>,
    /// The stores that get the certificates. Default: all that the node has.
    pub to: Option<Vec<Store>>,
    /// The password of the Java keystores. Default: `changeit`.
    pub java_password: Option<SecretKey>,
    /// Whether the environment variables of TLS libraries name the system's bundle. Default: whether `os` is in `to`.
    pub variables: Option<bool>,
}
