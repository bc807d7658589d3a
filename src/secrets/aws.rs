//! Secrets of AWS Secrets Manager, and parameters of AWS Systems Manager.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::Deserialize;
use serde_json::json;

use crate::{
    cloud::{
        CloudError, CloudErrorKind, Clouds, PageLimit,
        aws::{AwsError, Service, deserialize_secret},
    },
    redact::Secret,
};

/// A secret of Secrets Manager. Its value is text or bytes.
pub(super) async fn secret(
    clouds: &Clouds,
    region: Option<&str>,
    id: &str,
    version: Option<&str>,
) -> Result<Secret, CloudError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct GetSecretValueResponse {
        #[serde(default, deserialize_with = "optional_secret")]
        secret_string: Option<Secret>,
        #[serde(default, deserialize_with = "optional_secret")]
        secret_binary: Option<Secret>,
    }
    let mut request = json!({ "SecretId": id });
    if let Some(version) = version {
        request[if is_version_id(version) { "VersionId" } else { "VersionStage" }] = version.into();
    }
    let account = clouds.aws().await?;
    let response = account
        .call::<GetSecretValueResponse>(Service::SecretsManager, "GetSecretValue", region.or(region_of(id)), &request)
        .await;
    let response = response.map_err(|refusal| no_secret(id, version, refusal))?;
    let bytes = |text: Secret| STANDARD.decode(text.reveal()).ok().map(Secret::new);
    response.secret_string.or_else(|| response.secret_binary.and_then(bytes)).ok_or_else(|| {
        CloudError::new(CloudErrorKind::Malformed, format!("Secrets Manager answered without a value of `{id}`"))
            .hint("check that the secret has a value")
    })
}

/// A parameter of Systems Manager. A `SecureString` is decrypted.
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
        #[serde(deserialize_with = "deserialize_secret")]
        value: Secret,
    }
    let selected = version.map_or_else(|| name.to_owned(), |version| format!("{name}:{version}"));
    let request = json!({ "Name": selected, "WithDecryption": true });
    let account = clouds.aws().await?;
    let response =
        account.call::<GetParameterResponse>(Service::Ssm, "GetParameter", region.or(region_of(name)), &request).await;
    response.map(|response| response.parameter.value).map_err(|refusal| no_parameter(name, version, refusal))
}

/// The names of the secrets in Secrets Manager that start with `prefix`. Fetches no values.
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
        let mut request = json!({ "MaxResults": 100 });
        if !prefix.is_empty() {
            request["Filters"] = json!([{ "Key": "name", "Values": [prefix] }]);
        }
        if let Some(from) = from {
            request["NextToken"] = from.into();
        }
        let page = account.call::<Page>(Service::SecretsManager, "ListSecrets", region, &request).await?;
        // The filter of the service ignores case.
        names.extend(page.secret_list.into_iter().map(|secret| secret.name).filter(|name| name.starts_with(prefix)));
        from = page.next_token;
        if from.is_none() {
            names.sort();
            return Ok(names);
        }
    }
}

/// The names of the parameters below a path such as `/family`. Decrypts nothing.
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
        // The service returns at most ten parameters on a page.
        let mut request = json!({ "Path": path, "Recursive": true, "WithDecryption": false, "MaxResults": 10 });
        if let Some(from) = from {
            request["NextToken"] = from.into();
        }
        let page = account.call::<Page>(Service::Ssm, "GetParametersByPath", region, &request).await?;
        names.extend(page.parameters.into_iter().map(|parameter| parameter.name));
        from = page.next_token;
        if from.is_none() {
            names.sort();
            return Ok(names);
        }
    }
}

/// The name of a listed item. Other fields are ignored.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct NamedItem {
    name: String,
}

fn optional_secret<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<Secret>, D::Error> {
    let text = Option::<String>::deserialize(from)?;
    Ok(text.map(Secret::from))
}

/// Whether a version is an id, which has at least 32 letters, digits and dashes. Other versions are stages.
fn is_version_id(version: &str) -> bool {
    (32..=64).contains(&version.len()) && version.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

/// The region in an ARN. `None` for a plain name.
fn region_of(name: &str) -> Option<&str> {
    name.strip_prefix("arn:")?.split(':').nth(2).filter(|region| !region.is_empty())
}

fn no_secret(id: &str, version: Option<&str>, refusal: AwsError) -> CloudError {
    let error = refusal.error;
    match refusal.code.as_str() {
        "ResourceNotFoundException" => {
            let what =
                version.map_or_else(|| "secret".to_owned(), |version| format!("version `{version}` of the secret"));
            let hint = "check `name`, `version` and `region`, or ask the owner of the scope to add it".to_owned();
            CloudError { message: format!("there is no {what} `{id}` in Secrets Manager"), hint: Some(hint), ..error }
        }
        // ErrorBody of secrets that wait for their deletion.
        "InvalidRequestException" => {
            let hint = "restore the secret, or name another one".to_owned();
            CloudError {
                kind: CloudErrorKind::Absent,
                message: format!("Secrets Manager does not return `{id}`"),
                hint: Some(hint),
                ..error
            }
        }
        _ => with_kms_cause(&format!("`{id}` in Secrets Manager"), error),
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
            absent(format!("there is no parameter `{name}`"), "check `name` and `region`: names start with `/`")
        }
        "ParameterVersionNotFound" => {
            let version = version.unwrap_or_default();
            absent(format!("there is no version `{version}` of the parameter `{name}`"), "leave `version` out")
        }
        _ => with_kms_cause(&format!("the parameter `{name}`"), error),
    }
}

/// Distinguishes a refusal by KMS, which decrypts for the service, from a refusal by the service.
fn with_kms_cause(what: &str, error: CloudError) -> CloudError {
    let names_kms = error.detail.as_deref().is_some_and(|detail| detail.contains("KMS") || detail.contains("kms:"));
    match error.kind {
        CloudErrorKind::BackendRefuses => CloudError { message: format!("KMS does not decrypt {what}"), ..error },
        CloudErrorKind::Denied if names_kms => CloudError {
            kind: CloudErrorKind::BackendRefuses,
            message: format!("KMS does not decrypt {what} for this identity"),
            hint: Some("ask the owner of the key to allow `kms:Decrypt`".to_owned()),
            ..error
        },
        _ => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(code: &str, kind: CloudErrorKind, detail: &str) -> AwsError {
        let mut refusal = AwsError::from(CloudError::new(kind, "as the service says").detail(detail));
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
    fn a_refusal_by_kms_is_distinguished_from_one_by_the_service() {
        let denied =
            |detail| no_secret("family/a", None, refusal("AccessDeniedException", CloudErrorKind::Denied, detail));
        assert_eq!(denied("Access to KMS is not allowed").kind, CloudErrorKind::BackendRefuses);
        assert_eq!(
            denied("User: arn:… is not authorized to perform: secretsmanager:GetSecretValue").kind,
            CloudErrorKind::Denied
        );
        let error = no_parameter("/family/a", None, refusal("InvalidKeyId", CloudErrorKind::BackendRefuses, ""));
        assert_eq!(error.message, "KMS does not decrypt the parameter `/family/a`");
    }

    #[test]
    fn the_error_for_a_missing_secret_names_the_version() {
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
