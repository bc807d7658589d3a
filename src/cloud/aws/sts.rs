//! The three calls of STS (<https://docs.aws.amazon.com/STS/latest/APIReference/>): who one is, and taking on a role.

use super::{
    caller_identity::CallerIdentity,
    client::{AwsClient, AwsRequest},
    credentials::{Credentials, Role, WebIdentity},
    error::AwsError,
    service::checked,
    xml,
};
use crate::{
    cloud::{CloudError, CloudErrorKind, read_token},
    http::Answer,
    redact::Secret,
};

/// The action that needs no permission.
pub(super) const WHO: &str = "GetCallerIdentity";

/// Takes on a role as whoever has these credentials.
pub(super) async fn assume(
    client: &AwsClient,
    credentials: &Credentials,
    role: &Role,
) -> Result<Credentials, CloudError> {
    const ACTION: &str = "AssumeRole";
    let region = region(client, &role.arn)?;
    let mut fields = vec![("RoleArn", role.arn.as_str()), ("RoleSessionName", &role.session)];
    fields.extend(role.external_id.as_deref().map(|id| ("ExternalId", id)));
    fields.extend(role.seconds.as_deref().map(|seconds| ("DurationSeconds", seconds)));
    let question = AwsRequest::of_sts(&region, ACTION, &fields);
    let source = format!("the source of the role `{}`", role.arn);
    let answer = client.ask(&question, Some(credentials), &source).await;
    given(&answer.map_err(|refusal| not_taken_on(&role.arn, refusal))?)
}

/// Takes on a role by a token from a file. It is read anew each time: whoever writes it replaces it.
pub(super) async fn assume_with_web_identity(
    client: &AwsClient,
    identity: &WebIdentity,
) -> Result<Credentials, CloudError> {
    const ACTION: &str = "AssumeRoleWithWebIdentity";
    let place = identity.file.display();
    let token = read_token(&identity.file).map(Secret::new).map_err(|error| {
        CloudError::new(CloudErrorKind::Invalid, format!("the web identity token in `{place}` could not be read"))
            .said(&error.to_string())
            .hint("correct AWS_WEB_IDENTITY_TOKEN_FILE, or the file's permissions")
    })?;
    let token = std::str::from_utf8(token.reveal().trim_ascii()).unwrap_or_default();
    let region = region(client, &identity.role)?;
    let fields =
        [("RoleArn", identity.role.as_str()), ("RoleSessionName", &identity.session), ("WebIdentityToken", token)];
    let question = AwsRequest::of_sts(&region, ACTION, &fields);
    let answer = client.ask(&question, None, &format!("`{place}`")).await;
    given(&answer.map_err(|refusal| not_taken_on(&identity.role, refusal))?)
}

/// Who the answer to [`WHO`] says one is.
pub(super) fn caller(answer: &Answer) -> Result<CallerIdentity, CloudError> {
    let caller = xml::text(&answer.body, "Arn").as_deref().and_then(CallerIdentity::of_arn);
    caller.ok_or_else(|| CloudError::new(CloudErrorKind::Malformed, "STS did not say who the node is"))
}

/// The region whose STS is asked: the configured one, else the first of the role's partition.
fn region(client: &AwsClient, role: &str) -> Result<String, CloudError> {
    checked(client.settings.region().unwrap_or_else(|| default_region(role)))
}

/// The region that answers for a whole partition.
pub(super) fn default_region(arn: &str) -> &'static str {
    match arn.split(':').nth(1) {
        Some("aws-cn") => "cn-north-1",
        Some("aws-us-gov") => "us-gov-west-1",
        _ => "us-east-1",
    }
}

fn given(answer: &Answer) -> Result<Credentials, CloudError> {
    let field = |name| xml::text(&answer.body, name).filter(|text| !text.is_empty());
    let missing = || CloudError::new(CloudErrorKind::Malformed, "STS did not answer with credentials");
    Ok(Credentials {
        key: field("AccessKeyId").ok_or_else(missing)?,
        secret: field("SecretAccessKey").map(Secret::from).ok_or_else(missing)?,
        token: Some(field("SessionToken").map(Secret::from).ok_or_else(missing)?),
        expires: Some(field("Expiration").and_then(|end| end.parse().ok()).ok_or_else(missing)?),
    })
}

fn not_taken_on(role: &str, refusal: AwsError) -> CloudError {
    let error = refusal.error;
    let hint = match refusal.code.as_str() {
        "AccessDenied" | "AccessDeniedException" => "check that the role trusts who assumes it, and that they may",
        "InvalidIdentityToken" | "IDPRejectedClaim" => {
            "the role does not trust the token's issuer, or not for this audience"
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
