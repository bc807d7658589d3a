//! Credentials of AWS, and the roles that can be assumed to get them.

use std::{path::PathBuf, time::Duration};

use jiff::Timestamp;
use serde::Deserialize as _;

use crate::redact::Secret;

/// Credentials are renewed this long before they expire, as the official clients do.
const RENEWAL_MARGIN: Duration = Duration::from_secs(300);
/// The name of a role session, unless one is configured.
pub(super) const DEFAULT_SESSION_NAME: &str = "nodeagent";

/// The credentials that sign a request.
#[derive(Debug, Clone)]
pub(super) struct Credentials {
    /// The access key id. It is not a secret.
    pub(super) key: String,
    pub(super) secret: Secret,
    pub(super) token: Option<Secret>,
    pub(super) expires: Option<Timestamp>,
}

impl Credentials {
    /// Whether the credentials do not have to be renewed yet.
    pub(super) fn are_fresh(&self) -> bool {
        self.expires.is_none_or(|end| Timestamp::now() + RENEWAL_MARGIN < end)
    }

    /// Whether the credentials have not expired.
    pub(super) fn are_valid(&self) -> bool {
        self.expires.is_none_or(|end| Timestamp::now() < end)
    }
}

/// A role to assume.
#[derive(Debug, Clone)]
pub(super) struct RoleToAssume {
    pub(super) arn: String,
    pub(super) session: String,
    pub(super) external_id: Option<String>,
    pub(super) seconds: Option<String>,
}

/// A role to assume with a web identity token. The issuer keeps the token in a file.
#[derive(Debug, Clone)]
pub(super) struct WebIdentity {
    pub(super) file: PathBuf,
    pub(super) role: String,
    pub(super) session: String,
}

/// Deserializes a string as a secret.
pub(crate) fn deserialize_secret<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Secret, D::Error> {
    String::deserialize(from).map(Secret::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_renewed_before_they_expire() {
        let expiring_in = |seconds| Credentials {
            key: "AKID".into(),
            secret: Secret::from(String::new()),
            token: None,
            expires: Some(Timestamp::now() + jiff::SignedDuration::from_secs(seconds)),
        };
        assert!(expiring_in(3600).are_fresh());
        assert!(!expiring_in(60).are_fresh() && expiring_in(60).are_valid());
        assert!(!expiring_in(-1).are_valid());
    }
}
