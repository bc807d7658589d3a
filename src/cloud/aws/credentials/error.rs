//! Errors that several credential providers have in common.

use crate::cloud::{CloudError, CloudErrorKind};

const HINT: &str = "give the node an instance profile, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, \
AWS_PROFILE, or AWS_WEB_IDENTITY_TOKEN_FILE and AWS_ROLE_ARN";

/// No provider is configured.
pub(super) fn not_configured() -> CloudError {
    CloudError::new(CloudErrorKind::NotConfigured, "no AWS credentials are configured").hint(HINT)
}

/// No provider is configured, and the instance metadata service is disabled.
pub(super) fn metadata_disabled() -> CloudError {
    not_configured().hint(format!("{HINT} (AWS_EC2_METADATA_DISABLED is set)"))
}

/// One of two settings that belong together is missing. No other provider is tried, because it could have another
/// identity.
pub(super) fn incomplete(present: &str, missing: &str) -> CloudError {
    let error = CloudError::new(CloudErrorKind::Invalid, format!("{present} is set and {missing} is not"));
    error.hint(format!("set {missing} too, or neither"))
}
