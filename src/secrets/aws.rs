//! AWS Secrets Manager and Systems Manager's parameters.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::Deserialize;
use serde_json::json;

use crate::{
    cloud::{
        CloudError, CloudErrorKind, Clouds, PageLimit,
        aws::{AwsError, Service, as_secret},
    },
    redact::Secret,
};

/// A secret of Secrets Manager, text or bytes.
pub(super) async fn secret(
    clouds: &Clouds,
    region: Option<&str>,
    id: &str,
    version: Option<&str>,
) -> Result<Secret, CloudError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct GetSecretValueResponse {
        #[serde(default, deserialize_with = "maybe_secret")]
        secret_string: Option<Secret>,
        #[serde(default, deserialize_with = "maybe_secret")]
        secret_binary: Option<Secret>,
    }
    let mut question = json!({ "SecretId": id });
    if let Some(version) = version {
        question[if is_version_id(version) { "VersionId" } else { "VersionStage" }] = version.into();
    }
    let account = clouds.aws().await?;
    let got = account
        .call::<GetSecretValueResponse>(Service::SecretsManager, "GetSecretValue", region.or(region_of(id)), &question)
        .await;
    let got = got.map_err(|refusal| no_secret(id, version, refusal))?;
    let bytes = |text: Secret| STANDARD.decode(text.reveal()).ok().map(Secret::new);
    got.secret_string.or_else(|| got.secret_binary.and_then(bytes)).ok_or_else(|| {
        CloudError::new(CloudErrorKind::Malformed, format!("Secrets Manager answered without a value of `{id}`"))
            .hint("check that the secret has a value")
    })
}

/// A parameter of Systems Manager, decrypted where it is a `SecureString`.
pub(super) async fn parameter(
    clouds: &Clouds,
    region: Option<&str>,
    name: &str,
    version: Option<&str>,
) -> Result<Secret, CloudError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct GetParameterResponse {
        parameter: Parameter,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Parameter {
        #[serde(deserialize_with = "as_secret")]
        value: Secret,
    }
    let selected = version.map_or_else(|| name.to_owned(), |version| format!("{name}:{version}"));
    let question = json!({ "Name": selected, "WithDecryption": true });
    let account = clouds.aws().await?;
    let got =
        account.call::<GetParameterResponse>(Service::Ssm, "GetParameter", region.or(region_of(name)), &question).await;
    got.map(|got| got.parameter.value).map_err(|refusal| no_parameter(name, version, refusal))
}

/// The names of the secrets in Secrets Manager that begin with `prefix`. No value is asked for.
pub async fn secrets(clouds: &Clouds, region: Option<&str>, prefix: &str) -> Result<Vec<String>, CloudError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Page {
        #[serde(default)]
        secret_list: Vec<NamedItem>,
        next_token: Option<String>,
    }
    let account = clouds.aws().await?;
    let (mut names, mut from, mut pages) = (Vec::new(), None::<String>, PageLimit::default());
    loop {
        pages.next_page()?;
        let mut question = json!({ "MaxResults": 100 });
        if !prefix.is_empty() {
            question["Filters"] = json!([{ "Key": "name", "Values": [prefix] }]);
        }
        if let Some(from) = from {
            question["NextToken"] = from.into();
        }
        let page = account.call::<Page>(Service::SecretsManager, "ListSecrets", region, &question).await?;
        // The service's filter knows no case.
        names.extend(page.secret_list.into_iter().map(|secret| secret.name).filter(|name| name.starts_with(prefix)));
        from = page.next_token;
        if from.is_none() {
            names.sort();
            return Ok(names);
        }
    }
}

/// The names of the parameters below a path such as `/family`. Nothing is decrypted.
pub async fn parameters(clouds: &Clouds, region: Option<&str>, path: &str) -> Result<Vec<String>, CloudError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Page {
        #[serde(default)]
        parameters: Vec<NamedItem>,
        next_token: Option<String>,
    }
    let account = clouds.aws().await?;
    let (mut names, mut from, mut pages) = (Vec::new(), None::<String>, PageLimit::default());
    loop {
        pages.next_page()?;
        // Ten is all that the service gives at once.
        let mut question = json!({ "Path": path, "Recursive": true, "WithDecryption": false, "MaxResults": 10 });
        if let Some(from) = from {
            question["NextToken"] = from.into();
        }
        let page = account.call::<Page>(Service::Ssm, "GetParametersByPath", region, &question).await?;
        names.extend(page.parameters.into_iter().map(|parameter| parameter.name));
        from = page.next_token;
        if from.is_none() {
            names.sort();
            return Ok(names);
        }
    }
}

/// Something by its name; all else that comes with it is passed over.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct NamedItem {
    name: String,
}

fn maybe_secret<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<Secret>, D::Error> {
    let text = Option::<String>::deserialize(from)?;
    Ok(text.map(Secret::from))
}

/// Whether a version is one by its id, which has at least 32 characters of few kinds; stages have words.
fn is_version_id(version: &str) -> bool {
    (32..=64).contains(&version.len()) && version.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

/// The region in an ARN, where the name is one.
fn region_of(name: &str) -> Option<&str> {
    name.strip_prefix("arn:")?.split(':').nth(2).filter(|region| !region.is_empty())
}

fn no_secret(id: &str, version: Option<&str>, refusal: AwsError) -> CloudError {
    let error = refusal.error;
    match refusal.code.as_str() {
        "ResourceNotFoundException" => {
            let what =
                version.map_or_else(|| "secret".to_owned(), |version| format!("version `{version}` of the secret"));
            let hint = "check `name`, `version` and `region`, or ask whoever keeps the scope to add it".to_owned();
            CloudError { message: format!("there is no {what} `{id}` in Secrets Manager"), hint: Some(hint), ..error }
        }
        // ErrorBody of secrets that wait for their deletion.
        "InvalidRequestException" => {
            let hint = "have it restored, or name another secret".to_owned();
            CloudError {
                kind: CloudErrorKind::Absent,
                message: format!("Secrets Manager does not give out `{id}`"),
                hint: Some(hint),
                ..error
            }
        }
        _ => behind_kms(&format!("`{id}` in Secrets Manager"), error),
    }
}

fn no_parameter(name: &str, version: Option<&str>, refusal: AwsError) -> CloudError {
    let error = refusal.error;
    let absent = |message: String, hint: &str| CloudError {
        kind: CloudErrorKind::Absent,
        message,
        hint: Some(hint.to_owned()),
        ..error.clone()
    };
    match refusal.code.as_str() {
        "ParameterNotFound" => {
            absent(format!("there is no parameter `{name}`"), "check `name` and `region`: names begin with `/`")
        }
        "ParameterVersionNotFound" => {
            let version = version.unwrap_or_default();
            absent(format!("there is no version `{version}` of the parameter `{name}`"), "leave `version` out")
        }
        _ => behind_kms(&format!("the parameter `{name}`"), error),
    }
}

/// Tells a refusal of KMS, which stands behind the service, from one of the service itself.
fn behind_kms(what: &str, error: CloudError) -> CloudError {
    let speaks_of_kms = error.said.as_deref().is_some_and(|said| said.contains("KMS") || said.contains("kms:"));
    match error.kind {
        CloudErrorKind::BackendRefuses => CloudError { message: format!("KMS does not open {what}"), ..error },
        CloudErrorKind::Denied if speaks_of_kms => CloudError {
            kind: CloudErrorKind::BackendRefuses,
            message: format!("KMS does not open {what} for this identity"),
            hint: Some("ask whoever keeps the key to allow `kms:Decrypt` with it".to_owned()),
            ..error
        },
        _ => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(code: &str, kind: CloudErrorKind, said: &str) -> AwsError {
        let mut refusal = AwsError::from(CloudError::new(kind, "as the service says").said(said));
        code.clone_into(&mut refusal.code);
        refusal
    }

    #[test]
    fn a_version_is_an_id_or_a_stage() {
        assert!(is_version_id("a1b2c3d4-5678-90ab-cdef-EXAMPLE11111"));
        assert!(!is_version_id("AWSPREVIOUS") && !is_version_id("release_2026-11-22_of_the_analytics_team"));
    }

    #[test]
    fn an_arn_names_its_region() {
        assert_eq!(
            region_of("arn:aws:secretsmanager:eu-west-1:123456789012:secret:family/a-AbCdEf"),
            Some("eu-west-1")
        );
        assert_eq!(region_of("family/analytics"), None);
    }

    #[test]
    fn a_refusal_of_kms_is_told_from_one_of_the_service() {
        let denied = |said| no_secret("family/a", None, refusal("AccessDeniedException", CloudErrorKind::Denied, said));
        assert_eq!(denied("Access to KMS is not allowed").kind, CloudErrorKind::BackendRefuses);
        assert_eq!(
            denied("User: arn:… is not authorized to perform: secretsmanager:GetSecretValue").kind,
            CloudErrorKind::Denied
        );
        let error = no_parameter("/family/a", None, refusal("InvalidKeyId", CloudErrorKind::BackendRefuses, ""));
        assert_eq!(error.message, "KMS does not open the parameter `/family/a`");
    }

    #[test]
    fn what_is_not_there_is_said_with_its_version() {
        let absent = refusal("ResourceNotFoundException", CloudErrorKind::Absent, "");
        assert_eq!(no_secret("a", None, absent.clone()).message, "there is no secret `a` in Secrets Manager");
        assert_eq!(
            no_secret("a", Some("OLD"), absent).message,
            "there is no version `OLD` of the secret `a` in Secrets Manager"
        );
        let version = refusal("ParameterVersionNotFound", CloudErrorKind::Invalid, "");
        let error = no_parameter("/a", Some("7"), version);
        assert_eq!(
            (error.kind, error.message.as_str()),
            (CloudErrorKind::Absent, "there is no version `7` of the parameter `/a`")
        );
        let deleted = refusal("InvalidRequestException", CloudErrorKind::Invalid, "marked for deletion");
        assert_eq!(no_secret("a", None, deleted).kind, CloudErrorKind::Absent);
    }
}
