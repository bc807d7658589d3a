//! Credentials of a profile in the shared files, including chains of roles.

use super::{
    container::ContainerEndpoint,
    environment,
    error::incomplete,
    provider::{BaseProvider, CredentialProvider},
};
use crate::cloud::{
    CloudError, CloudErrorKind,
    aws::{
        credential_types::{Credentials, DEFAULT_SESSION_NAME, RoleToAssume, WebIdentity},
        settings::{Section, Settings},
    },
};

/// The provider that the selected profile configures. `None` if the profile has no credentials.
pub(super) fn provider(settings: &Settings) -> Result<Option<CredentialProvider>, CloudError> {
    let name = settings.profile_name();
    if settings.profile(name).is_none() && settings.requested_profile().is_none() {
        return Ok(None);
    }
    let provider = provider_of(settings, name, &mut Vec::new())?;
    Ok(provider.map(|provider| CredentialProvider { description: format!("the profile `{name}`"), ..provider }))
}

/// The provider of a profile. `seen` contains the profiles that led to it through `source_profile`.
fn provider_of<'a>(
    settings: &'a Settings,
    name: &'a str,
    seen: &mut Vec<&'a str>,
) -> Result<Option<CredentialProvider>, CloudError> {
    let section = settings.profile(name).ok_or_else(|| missing(settings, name))?;
    seen.push(name);
    let plain = |base| Some(CredentialProvider::new(base, ""));
    let Some(arn) = section.text("role_arn") else {
        let keys = keys(section, name)?.map(BaseProvider::Keys);
        return if keys.is_none() {
            unsupported(section, name).map_or(Ok(None), Err)
        } else {
            Ok(keys.and_then(plain))
        };
    };
    if section.text("mfa_serial").is_some() {
        let error = invalid(name, "requires a second factor (`mfa_serial`)");
        return Err(error.hint("a node has no user to enter the code; use a role without `mfa_serial`"));
    }
    let session = section.text("role_session_name").unwrap_or(DEFAULT_SESSION_NAME).to_owned();
    if let Some(file) = section.text("web_identity_token_file") {
        return Ok(plain(BaseProvider::WebIdentity(WebIdentity { file: file.into(), role: arn.to_owned(), session })));
    }
    let mut provider = match (section.text("source_profile"), section.text("credential_source")) {
        (Some(source), None) if source == name => keys(section, name)?.map(BaseProvider::Keys).and_then(plain),
        (Some(source), None) if seen.contains(&source) => {
            let round = format!("has the source `{source}`, which in turn has it as its source");
            return Err(invalid(name, &round).hint("give one of the two profiles keys of its own"));
        }
        (Some(source), None) => provider_of(settings, source, seen)?,
        (None, Some(source)) => credential_source(settings, name, source)?.and_then(plain),
        (None, None) => {
            let error = invalid(name, "names a role, but not the credentials to assume it with");
            return Err(error.hint("add `source_profile` or `credential_source`"));
        }
        (Some(_), Some(_)) => {
            let error = invalid(name, "has both `source_profile` and `credential_source`");
            return Err(error.hint("remove one of them"));
        }
    }
    .ok_or_else(|| invalid(name, "assumes a role, and its source has no credentials").hint("add keys to the source"))?;
    provider.roles.push(RoleToAssume {
        arn: arn.to_owned(),
        session,
        external_id: section.text("external_id").map(str::to_owned),
        seconds: section.text("duration_seconds").map(str::to_owned),
    });
    Ok(Some(provider))
}

/// The base credentials that `credential_source` names.
fn credential_source(settings: &Settings, name: &str, source: &str) -> Result<Option<BaseProvider>, CloudError> {
    match source {
        "Environment" => Ok(environment::access_keys(settings)?.map(BaseProvider::Keys)),
        "EcsContainer" => Ok(ContainerEndpoint::find(settings)?.map(BaseProvider::Container)),
        "Ec2InstanceMetadata" => Ok(Some(BaseProvider::Instance)),
        other => Err(invalid(name, &format!("has the unknown `credential_source` `{other}`"))
            .hint("the known ones are `Environment`, `EcsContainer` and `Ec2InstanceMetadata`")),
    }
}

fn keys(section: &Section, name: &str) -> Result<Option<Credentials>, CloudError> {
    let of_profile = |key: &str| format!("`{key}` of the profile `{name}`");
    match (section.text("aws_access_key_id"), section.secret("aws_secret_access_key")) {
        (Some(key), Some(secret)) => Ok(Some(Credentials {
            key: key.to_owned(),
            secret: secret.clone(),
            token: section.secret("aws_session_token").cloned(),
            expires: None,
        })),
        (None, None) => Ok(None),
        (Some(_), None) => Err(incomplete(&of_profile("aws_access_key_id"), "`aws_secret_access_key`")),
        (None, Some(_)) => Err(incomplete(&of_profile("aws_secret_access_key"), "`aws_access_key_id`")),
    }
}

/// Providers of the official clients that require a person or a program.
fn unsupported(section: &Section, name: &str) -> Option<CloudError> {
    let key = ["sso_session", "sso_start_url", "credential_process", "login_session"];
    let key = key.into_iter().find(|key| section.text(key).is_some())?;
    let error = CloudError::new(
        CloudErrorKind::NotConfigured,
        format!("the profile `{name}` uses `{key}`, which does not work on a node"),
    );
    Some(error.hint("use an instance profile, a role with `source_profile`, or keys"))
}

fn missing(settings: &Settings, name: &str) -> CloudError {
    let names: Vec<String> = settings.profile_names().map(|name| format!("`{name}`")).collect();
    let list = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
    let error =
        CloudError::new(CloudErrorKind::Invalid, format!("there is no profile `{name}` in the shared files of AWS"));
    error.hint(format!("the profiles are: {list}"))
}

fn invalid(name: &str, what: &str) -> CloudError {
    CloudError::new(CloudErrorKind::Invalid, format!("the profile `{name}` {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cloud::aws::settings::tests::settings;

    const FILES: &str = "\
[profile keys]
aws_access_key_id = AKID
aws_secret_access_key = hunter2
[profile first]
role_arn = arn:aws:iam::1:role/first
source_profile = keys
[profile second]
role_arn = arn:aws:iam::1:role/second
source_profile = first
external_id = abc
[profile self]
role_arn = arn:aws:iam::1:role/self
source_profile = self
aws_access_key_id = OWN
aws_secret_access_key = x
[profile round]
role_arn = arn:aws:iam::1:role/round
source_profile = trip
[profile trip]
role_arn = arn:aws:iam::1:role/trip
source_profile = round
[profile instance]
role_arn = arn:aws:iam::1:role/r
credential_source = Ec2InstanceMetadata
[profile web]
role_arn = arn:aws:iam::1:role/web
web_identity_token_file = /token
[profile person]
sso_start_url = https://example.awsapps.com/start
[profile alone]
role_arn = arn:aws:iam::1:role/alone
[profile factor]
role_arn = arn:aws:iam::1:role/factor
source_profile = keys
mfa_serial = arn:aws:iam::1:mfa/alice
[profile odd]
role_arn = arn:aws:iam::1:role/odd
credential_source = Elsewhere
[profile region]
region = eu-west-1
";

    fn way_of(name: &str) -> Result<Option<CredentialProvider>, CloudError> {
        provider(&settings(&[("AWS_PROFILE", name)], FILES, ""))
    }

    fn roles(provider: &CredentialProvider) -> Vec<&str> {
        provider.roles.iter().filter_map(|role| role.arn.rsplit('/').next()).collect()
    }

    #[test]
    fn a_role_is_assumed_with_the_roles_and_keys_of_its_source() {
        let second = way_of("second").expect("well-formed").expect("credentials");
        assert_eq!(roles(&second), ["first", "second"]);
        assert_eq!(second.roles[1].external_id.as_deref(), Some("abc"));
        assert!(matches!(&second.base, BaseProvider::Keys(keys) if keys.key == "AKID"));
        assert!(second.is_renewable());
        let own = way_of("self").expect("well-formed").expect("credentials");
        assert!(matches!(&own.base, BaseProvider::Keys(keys) if keys.key == "OWN"));
    }

    #[test]
    fn a_source_may_be_the_instance_or_a_token() {
        let instance = way_of("instance").expect("well-formed").expect("credentials");
        assert!(matches!(instance.base, BaseProvider::Instance));
        assert_eq!(roles(&instance), ["r"]);
        let web = way_of("web").expect("well-formed").expect("credentials");
        assert!(matches!(&web.base, BaseProvider::WebIdentity(identity) if identity.role.ends_with("/web")));
        assert!(web.roles.is_empty());
    }

    #[test]
    fn an_invalid_profile_is_an_error_that_names_the_profile() {
        for (name, message) in [
            ("round", "the profile `trip` has the source `round`, which in turn has it as its source"),
            ("alone", "the profile `alone` names a role, but not the credentials to assume it with"),
            ("factor", "the profile `factor` requires a second factor (`mfa_serial`)"),
            ("person", "the profile `person` uses `sso_start_url`, which does not work on a node"),
            ("odd", "the profile `odd` has the unknown `credential_source` `Elsewhere`"),
            ("nobody", "there is no profile `nobody` in the shared files of AWS"),
        ] {
            let error = way_of(name).expect_err(name);
            assert_eq!(error.message, message);
            assert!(error.hint.is_some(), "{name}");
        }
    }

    #[test]
    fn without_credentials_in_the_profile_the_next_provider_is_used() {
        assert!(way_of("region").expect("well-formed").is_none());
        assert!(provider(&settings(&[], FILES, "")).expect("no default profile").is_none());
    }
}
