//! The standard credential provider chain of the official clients: variables, the profile, web identity, the container,
//! the instance (<https://docs.aws.amazon.com/sdkref/latest/guide/standardized-credentials.html>).
//!
//! If a configured provider fails, no other one is tried: it could have another identity.

mod container;
mod environment;
mod error;
mod instance;
mod profile;
mod provider;

use self::{container::ContainerEndpoint, provider::BaseProvider};
pub(super) use self::{instance::InstanceMetadata, provider::CredentialProvider};
use super::settings::Settings;
use crate::cloud::CloudError;

/// The first configured provider. Sends no request: whether an instance has a role is known at the first fetch.
pub(super) fn find_provider(settings: &Settings) -> Result<CredentialProvider, CloudError> {
    let new = CredentialProvider::new;
    if let Some(keys) = environment::access_keys(settings)? {
        return Ok(new(BaseProvider::Keys(keys), "the variables AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"));
    }
    if let Some(provider) = profile::provider(settings)? {
        return Ok(provider);
    }
    if let Some(identity) = environment::web_identity(settings)? {
        return Ok(new(BaseProvider::WebIdentity(identity), "the token in AWS_WEB_IDENTITY_TOKEN_FILE"));
    }
    if let Some(container) = ContainerEndpoint::find(settings)? {
        return Ok(new(BaseProvider::Container(container), "the container's credentials endpoint"));
    }
    if settings.is_true("AWS_EC2_METADATA_DISABLED") {
        return Err(error::metadata_disabled());
    }
    Ok(new(BaseProvider::Instance, "the instance's role"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cloud::{CloudErrorKind, aws::settings::tests::settings};

    fn found(variables: &[(&str, &str)], config: &str) -> Result<CredentialProvider, CloudError> {
        find_provider(&settings(variables, config, ""))
    }

    const KEYS: [(&str, &str); 2] = [("AWS_ACCESS_KEY_ID", "AKID"), ("AWS_SECRET_ACCESS_KEY", "hunter2")];
    const WEB: [(&str, &str); 2] = [("AWS_WEB_IDENTITY_TOKEN_FILE", "/t"), ("AWS_ROLE_ARN", "arn:aws:iam::1:role/r")];
    const CONTAINER: [(&str, &str); 1] = [("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://127.0.0.1:1/c")];
    const PROFILE: &str = "[default]\naws_access_key_id = A\naws_secret_access_key = S\n";

    #[test]
    fn providers_are_tried_in_the_order_of_the_official_clients() {
        let all = [&KEYS[..], &WEB, &CONTAINER].concat();
        let description =
            |variables: &[(&str, &str)], config| found(variables, config).expect("a provider").description;
        assert_eq!(description(&all, PROFILE), "the variables AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY");
        assert_eq!(description(&all[2..], PROFILE), "the profile `default`");
        assert_eq!(description(&all[2..], ""), "the token in AWS_WEB_IDENTITY_TOKEN_FILE");
        assert_eq!(description(&CONTAINER, ""), "the container's credentials endpoint");
        assert_eq!(description(&[], ""), "the instance's role");
    }

    #[test]
    fn without_any_provider_the_error_is_not_configured() {
        let error = found(&[("AWS_EC2_METADATA_DISABLED", "true")], "").expect_err("not configured");
        assert_eq!(error.kind, CloudErrorKind::NotConfigured);
    }

    #[test]
    fn incomplete_keys_are_an_error_and_no_other_provider_is_tried() {
        for index in 0..2 {
            let error = found(&[KEYS[index]], PROFILE).expect_err("incomplete");
            assert_eq!(error.kind, CloudErrorKind::Invalid);
            assert!(error.message.contains(&format!("{} is not", KEYS[1 - index].0)), "{error}");
        }
        assert_eq!(
            found(&WEB[..1], "").expect_err("incomplete").message,
            "AWS_WEB_IDENTITY_TOKEN_FILE is set and AWS_ROLE_ARN is not"
        );
    }

    #[test]
    fn debug_output_of_a_provider_contains_no_secret() {
        assert!(!format!("{:?}", found(&KEYS, "").expect("a provider")).contains("hunter2"));
    }
}
