//! The three calls of STS that nodeagent uses: the caller's identity, and assuming a role in two ways
//! (<https://docs.aws.amazon.com/STS/latest/APIReference/>).

use super::{
    caller_identity::CallerIdentity,
    client::{AwsClient, AwsRequest},
    credential_types::{Credentials, RoleToAssume, WebIdentity},
    error::AwsError,
    service::checked,
    xml,
};
use crate::{
    cloud::{CloudError, CloudErrorKind, client_environment::read_token},
    http::Answer,
    redact::Secret,
};

/// The action that returns the identity of the caller. It requires no permission.
pub(super) const GET_CALLER_IDENTITY: &str = "GetCallerIdentity";

/// Assumes a role with credentials.
pub(super) async fn assume(
    client: &AwsClient,
    credentials: &Credentials,
    role: &RoleToAssume,
) -> Result<Credentials, CloudError> {
    const ACTION: &str = "AssumeRole";
    let region = region(client, &role.arn)?;
    let mut fields = vec![("RoleArn", role.arn.as_str()), ("RoleSessionName", &role.session)];
    fields.extend(role.external_id.as_deref().map(|id| ("ExternalId", id)));
    fields.extend(role.seconds.as_deref().map(|seconds| ("DurationSeconds", seconds)));
    let request = AwsRequest::sts(&region, ACTION, &fields);
    let source = format!("the source of the role `{}`", role.arn);
    let answer = client.send(&request, Some(credentials), &source).await;
    read_credentials(&answer.map_err(|refusal| not_assumed(&role.arn, refusal))?)
}

/// Assumes a role with a token from a file. The file is read for each call, because its issuer replaces it.
pub(super) async fn assume_with_web_identity(
    client: &AwsClient,
    identity: &WebIdentity,
) -> Result<Credentials, CloudError> {
    const ACTION: &str = "AssumeRoleWithWebIdentity";
    let path = identity.file.display();
    let token = read_token(&identity.file).map(Secret::new).map_err(|error| {
        CloudError::new(CloudErrorKind::Invalid, format!("the web identity token in `{path}` could not be read"))
            .detail(&error.to_string())
            .hint("correct AWS_WEB_IDENTITY_TOKEN_FILE, or the file's permissions")
    })?;
    let token = std::str::from_utf8(token.reveal().trim_ascii()).unwrap_or_default();
    let region = region(client, &identity.role)?;
    let fields =
        [("RoleArn", identity.role.as_str()), ("RoleSessionName", &identity.session), ("WebIdentityToken", token)];
    let request = AwsRequest::sts(&region, ACTION, &fields);
    let answer = client.send(&request, None, &format!("`{path}`")).await;
    read_credentials(&answer.map_err(|refusal| not_assumed(&identity.role, refusal))?)
}

/// The caller in the answer to [`GET_CALLER_IDENTITY`].
pub(super) fn caller(answer: &Answer) -> Result<CallerIdentity, CloudError> {
    let caller = xml::text(&answer.body, "Arn").as_deref().and_then(CallerIdentity::of_arn);
    caller.ok_or_else(|| CloudError::new(CloudErrorKind::Malformed, "STS did not return the identity of the node"))
}

/// The region whose STS is called: the configured region, else the default region of the role's partition.
fn region(client: &AwsClient, role: &str) -> Result<String, CloudError> {
    checked(client.settings.region().unwrap_or_else(|| default_region(role)))
}

/// The default region of the partition of an ARN.
pub(super) fn default_region(arn: &str) -> &'static str {
    match arn.split(':').nth(1) {
        Some("aws-cn") => "cn-north-1",
        Some("aws-us-gov") => "us-gov-west-1",
        _ => "us-east-1",
    }
}

fn read_credentials(answer: &Answer) -> Result<Credentials, CloudError> {
    let field = |name| xml::text(&answer.body, name).filter(|text| !text.is_empty());
    let missing = || CloudError::new(CloudErrorKind::Malformed, "STS returned no credentials");
    Ok(Credentials {
        key: field("AccessKeyId").ok_or_else(missing)?,
        secret: field("SecretAccessKey").map(Secret::from).ok_or_else(missing)?,
        token: Some(field("SessionToken").map(Secret::from).ok_or_else(missing)?),
        expires: Some(field("Expiration").and_then(|end| end.parse().ok()).ok_or_else(missing)?),
    })
}

fn not_assumed(role: &str, refusal: AwsError) -> CloudError {
    let error = refusal.error;
    let hint = match refusal.code.as_str() {
        "AccessDenied" | "AccessDeniedException" => {
            "check that the role trusts the caller, and that the caller may assume it"
        }
        "InvalidIdentityToken" | "IDPRejectedClaim" => {
            "the role does not trust the token's issuer, or does not accept its audience"
        }
        "IDPCommunicationError" => "try again later",
        _ => return error,
    };
    let denied = ["AccessDenied", "AccessDeniedException"].contains(&refusal.code.as_str());
    let kind = if denied { CloudErrorKind::Denied } else { CloudErrorKind::TokenRejected };
    CloudError {
        kind,
        message: format!("the role `{role}` could not be assumed"),
        hint: Some(hint.to_owned()),
        ..error
    }
}
