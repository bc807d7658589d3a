//! The TLS modes of a database connection.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How a connection is encrypted and verified, with the names of libpq:
/// <https://www.postgresql.org/docs/15/libpq-ssl.html#LIBPQ-SSL-SSLMODE-STATEMENTS>.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(inline)]
pub enum SslMode {
    /// Never encrypt.
    Disable,
    /// Encrypt if the server requires it.
    Allow,
    /// Encrypt if the server supports it.
    Prefer,
    /// Always encrypt, without verifying the server.
    Require,
    /// Always encrypt, and verify that a trusted authority signed the certificate of the server.
    VerifyCa,
    /// As `verify-ca`, and verify that the certificate is for this host.
    VerifyFull,
}

impl SslMode {
    /// The name of the mode.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Disable => "disable",
            Self::Allow => "allow",
            Self::Prefer => "prefer",
            Self::Require => "require",
            Self::VerifyCa => "verify-ca",
            Self::VerifyFull => "verify-full",
        }
    }
}
