//! Credentials in environment variables.

use super::error::incomplete;
use crate::{
    cloud::{
        CloudError,
        aws::{
            credential_types::{Credentials, DEFAULT_SESSION_NAME, WebIdentity},
            settings::Settings,
        },
    },
    redact::Secret,
};

/// The access keys in the variables.
pub(super) fn access_keys(settings: &Settings) -> Result<Option<Credentials>, CloudError> {
    const KEY: &str = "AWS_ACCESS_KEY_ID";
    const SECRET: &str = "AWS_SECRET_ACCESS_KEY";
    let secret = |name| settings.variable(name).map(|value| Secret::from(value.to_owned()));
    match (settings.variable(KEY), secret(SECRET)) {
        (Some(key), Some(secret_key)) => Ok(Some(Credentials {
            key: key.to_owned(),
            secret: secret_key,
            token: secret("AWS_SESSION_TOKEN"),
            expires: settings.variable("AWS_CREDENTIAL_EXPIRATION").and_then(|end| end.parse().ok()),
        })),
        (None, None) => Ok(None),
        (Some(_), None) => Err(incomplete(KEY, SECRET)),
        (None, Some(_)) => Err(incomplete(SECRET, KEY)),
    }
}

/// The web identity that the variables configure.
pub(super) fn web_identity(settings: &Settings) -> Result<Option<WebIdentity>, CloudError> {
    const FILE: &str = "AWS_WEB_IDENTITY_TOKEN_FILE";
    const ROLE: &str = "AWS_ROLE_ARN";
    let Some(file) = settings.variable(FILE) else { return Ok(None) };
    let role = settings.variable(ROLE).ok_or_else(|| incomplete(FILE, ROLE))?.to_owned();
    let session = settings.variable("AWS_ROLE_SESSION_NAME").unwrap_or(DEFAULT_SESSION_NAME).to_owned();
    Ok(Some(WebIdentity { file: file.into(), role, session }))
}
