//! A test that something is up: a port, an address, a file or a command. `steps::probe` runs it.

use std::{fmt, path::PathBuf, time::Duration};

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use url::Url;

/// A test that something is up, as written: one of `port`, `url`, `path` and `command`.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(rename = "Probe")]
pub struct ProbeKeys {
    /// A TCP port that accepts connections.
    pub port: Option<i64>,
    /// For `port`: the host. Default: 127.0.0.1.
    pub host: Option<String>,
    /// An address that answers with a status of 2xx or 3xx.
    pub url: Option<String>,
    /// A file that exists.
    pub path: Option<String>,
    /// For `path`: a regular expression that must match in the file.
    #[serde(rename = "match")]
    pub pattern: Option<String>,
    /// A program and its arguments. It must exit with 0.
    pub command: Option<Vec<String>>,
    /// The time after which the test has failed.
    pub timeout: Option<String>,
}

/// A test that something is up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Probe {
    /// The check.
    pub check: ProbeCheck,
    /// The time after which it has failed.
    pub timeout: Duration,
}

/// One check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProbeCheck {
    /// A port accepts connections.
    Port {
        /// The host.
        host: String,
        /// The port.
        port: u16,
    },
    /// An address answers with a status of 2xx or 3xx.
    #[serde(serialize_with = "write_url", deserialize_with = "read_url")]
    Url(Url),
    /// A file exists, and a regular expression matches in it.
    Path {
        /// The file.
        path: PathBuf,
        /// The expression.
        pattern: Option<String>,
    },
    /// A command exits with 0.
    Command(Vec<String>),
}

fn write_url<S: Serializer>(url: &Url, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(url.as_str())
}

fn read_url<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Url, D::Error> {
    String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
}

impl fmt::Display for ProbeCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Port { host, port } => write!(f, "port {port} of {host}"),
            Self::Url(url) => write!(f, "{url}"),
            Self::Path { path, pattern: None } => write!(f, "{}", path.display()),
            Self::Path { path, pattern: Some(pattern) } => write!(f, "`{pattern}` in {}", path.display()),
            Self::Command(words) => f.write_str(&words.join(" ")),
        }
    }
}
