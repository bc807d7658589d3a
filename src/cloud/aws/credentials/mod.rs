//! Credentials, by the standard chain of the official clients: variables, the profile, web identity, the container, the
//! instance (<https://docs.aws.amazon.com/sdkref/latest/guide/standardized-credentials.html>).
//!
//! What is configured and fails is a failure: the next provider might be somebody else.

mod container;
mod instance;
mod profile;

use std::{path::PathBuf, time::Duration};

pub(super) use instance::InstanceMetadata;
use jiff::Timestamp;

use self::container::ContainerEndpoint;
use super::{client::AwsClient, settings::Settings, sts};
use crate::{
    cloud::{CloudError, CloudErrorKind},
    redact::Secret,
};

/// Credentials are fetched anew this long before their end, as the official clients do.
const EARLY: Duration = Duration::from_secs(300);

/// What a request is signed with.
#[derive(Debug, Clone)]
pub(super) struct Credentials {
    /// The access key's id, which is a name and no secret.
    pub(super) key: String,
    pub(super) secret: Secret,
    pub(super) token: Option<Secret>,
    pub(super) expires: Option<Timestamp>,
}

impl Credentials {
    /// Whether they will still do for a while.
    pub(super) fn are_fresh(&self) -> bool {
        self.expires.is_none_or(|end| Timestamp::now() + EARLY < end)
    }

    /// Whether they will do for a request at this moment.
    pub(super) fn are_valid(&self) -> bool {
        self.expires.is_none_or(|end| Timestamp::now() < end)
    }
}

/// How credentials are had: at first from somewhere, then by taking on roles.
#[derive(Debug, Clone)]
pub(super) struct CredentialProvider {
    base: BaseProvider,
    roles: Vec<Role>,
    /// In words, such as ``the profile `family` ``.
    pub(super) described: String,
}

#[derive(Debug, Clone)]
enum BaseProvider {
    Keys(Credentials),
    WebIdentity(WebIdentity),
    Container(ContainerEndpoint),
    Instance,
}

/// A role that is taken on.
#[derive(Debug, Clone)]
pub(super) struct Role {
    pub(super) arn: String,
    pub(super) session: String,
    pub(super) external_id: Option<String>,
    pub(super) seconds: Option<String>,
}

/// A role that is taken on by a token which somebody else keeps in a file.
#[derive(Debug, Clone)]
pub(super) struct WebIdentity {
    pub(super) file: PathBuf,
    pub(super) role: String,
    pub(super) session: String,
}

/// The session's name unless one is configured.
const SESSION: &str = "nodeagent";

impl CredentialProvider {
    /// The first provider that is configured. Asks nobody: whether an instance has a role is seen later.
    pub(super) fn find(settings: &Settings) -> Result<Self, CloudError> {
        let provider = |base, described: &str| Self { base, roles: Vec::new(), described: described.to_owned() };
        if let Some(keys) = environment(settings)? {
            return Ok(provider(BaseProvider::Keys(keys), "the variables AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"));
        }
        if let Some(found) = profile::provider(settings)? {
            return Ok(found);
        }
        if let Some(identity) = web_identity(settings)? {
            return Ok(provider(BaseProvider::WebIdentity(identity), "the token in AWS_WEB_IDENTITY_TOKEN_FILE"));
        }
        if let Some(container) = ContainerEndpoint::find(settings)? {
            return Ok(provider(BaseProvider::Container(container), "the container's credentials endpoint"));
        }
        if settings.says_yes("AWS_EC2_METADATA_DISABLED") {
            return Err(none().hint(format!("{NONE_HINT} (AWS_EC2_METADATA_DISABLED is set)")));
        }
        Ok(provider(BaseProvider::Instance, "the instance's role"))
    }

    /// Fetches credentials.
    pub(super) async fn fetch(&self, client: &AwsClient) -> Result<Credentials, CloudError> {
        let mut credentials = match &self.base {
            BaseProvider::Keys(keys) => keys.clone(),
            BaseProvider::WebIdentity(identity) => sts::assume_with_web_identity(client, identity).await?,
            BaseProvider::Container(container) => container.credentials(&client.http).await?,
            BaseProvider::Instance => InstanceMetadata::of(client)?.credentials().await?,
        };
        for role in &self.roles {
            credentials = sts::assume(client, &credentials, role).await?;
        }
        Ok(credentials)
    }

    /// Whether this is a node of AWS itself, which knows its region.
    pub(super) fn begins_at_the_instance(&self) -> bool {
        matches!(self.base, BaseProvider::Instance)
    }

    /// Whether fetching again can give others.
    pub(super) fn renews(&self) -> bool {
        !matches!(self.base, BaseProvider::Keys(_)) || !self.roles.is_empty()
    }
}

const NONE_HINT: &str = "give the node an instance profile, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, \
AWS_PROFILE, or AWS_WEB_IDENTITY_TOKEN_FILE and AWS_ROLE_ARN";

fn none() -> CloudError {
    CloudError::new(CloudErrorKind::NotConfigured, "no AWS credentials are configured").hint(NONE_HINT)
}

/// Keys in variables. Half of them is a mistake and not a reason to be somebody else.
fn environment(settings: &Settings) -> Result<Option<Credentials>, CloudError> {
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
        (Some(_), None) => Err(half(KEY, SECRET)),
        (None, Some(_)) => Err(half(SECRET, KEY)),
    }
}

fn web_identity(settings: &Settings) -> Result<Option<WebIdentity>, CloudError> {
    let Some(file) = settings.variable("AWS_WEB_IDENTITY_TOKEN_FILE") else { return Ok(None) };
    let role = settings
        .variable("AWS_ROLE_ARN")
        .ok_or_else(|| half("AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_ROLE_ARN"))?
        .to_owned();
    let session = settings.variable("AWS_ROLE_SESSION_NAME").unwrap_or(SESSION).to_owned();
    Ok(Some(WebIdentity { file: file.into(), role, session }))
}

fn half(there: &str, missing: &str) -> CloudError {
    let failed = CloudError::new(CloudErrorKind::Invalid, format!("{there} is set and {missing} is not"));
    failed.hint(format!("set {missing} too, or neither"))
}

#[cfg(test)]
mod tests {
    use super::{super::settings::tests::settings, *};

    fn found(variables: &[(&str, &str)], config: &str) -> Result<CredentialProvider, CloudError> {
        CredentialProvider::find(&settings(variables, config, ""))
    }

    const KEYS: [(&str, &str); 2] = [("AWS_ACCESS_KEY_ID", "AKID"), ("AWS_SECRET_ACCESS_KEY", "hunter2")];
    const WEB: [(&str, &str); 2] = [("AWS_WEB_IDENTITY_TOKEN_FILE", "/t"), ("AWS_ROLE_ARN", "arn:aws:iam::1:role/r")];
    const CONTAINER: [(&str, &str); 1] = [("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://127.0.0.1:1/c")];
    const PROFILE: &str = "[default]\naws_access_key_id = A\naws_secret_access_key = S\n";

    #[test]
    fn the_ways_come_in_the_order_of_the_official_clients() {
        let all = [&KEYS[..], &WEB, &CONTAINER].concat();
        let described = |variables: &[(&str, &str)], config| found(variables, config).expect("a provider").described;
        assert_eq!(described(&all, PROFILE), "the variables AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY");
        assert_eq!(described(&all[2..], PROFILE), "the profile `default`");
        assert_eq!(described(&all[2..], ""), "the token in AWS_WEB_IDENTITY_TOKEN_FILE");
        assert_eq!(described(&CONTAINER, ""), "the container's credentials endpoint");
        assert_eq!(described(&[], ""), "the instance's role");
    }

    #[test]
    fn without_any_way_nothing_is_configured() {
        let error = found(&[("AWS_EC2_METADATA_DISABLED", "true")], "").expect_err("nothing");
        assert_eq!(error.kind, CloudErrorKind::NotConfigured);
    }

    #[test]
    fn half_a_key_is_a_mistake_and_not_somebody_else() {
        for index in 0..2 {
            let error = found(&[KEYS[index]], PROFILE).expect_err("half");
            assert_eq!(error.kind, CloudErrorKind::Invalid);
            assert!(error.message.contains(&format!("{} is not", KEYS[1 - index].0)), "{error}");
        }
        assert_eq!(
            found(&WEB[..1], "").expect_err("half").message,
            "AWS_WEB_IDENTITY_TOKEN_FILE is set and AWS_ROLE_ARN is not"
        );
    }

    #[test]
    fn nothing_of_a_way_shows_a_secret() {
        assert!(!format!("{:?}", found(&KEYS, "").expect("a provider")).contains("hunter2"));
    }

    #[test]
    fn credentials_are_fetched_anew_before_they_end() {
        let ends = |seconds| Credentials {
            key: "AKID".into(),
            secret: Secret::from(String::new()),
            token: None,
            expires: Some(Timestamp::now() + jiff::SignedDuration::from_secs(seconds)),
        };
        assert!(ends(3600).are_fresh());
        assert!(!ends(60).are_fresh() && ends(60).are_valid());
        assert!(!ends(-1).are_valid());
    }
}
