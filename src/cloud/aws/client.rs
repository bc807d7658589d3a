//! Requests to the services: signed with Signature Version 4 (by `reqsign`), and repeated after transient errors.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use ::http::{HeaderMap, Method, header::HeaderName};
use backon::{BackoffBuilder as _, ExponentialBuilder};
use reqsign_aws_v4::RequestSigner;
use reqsign_core::{Context, SignRequest as _};
use url::Url;

use super::{credential_types::Credentials, error::AwsError, service::Service, settings::Settings};
use crate::{
    cloud::{CloudError, CloudErrorKind},
    digest::Digest,
    http::{Answer, Client, Request},
    redact::Secret,
};

/// The time limit of a call with all its attempts.
const BUDGET: Duration = Duration::from_secs(45);
/// The time limit of one attempt.
const TIMEOUT: Duration = Duration::from_secs(15);
/// The largest answer, in bytes. An answer of DynamoDB has up to 1 MB, a secret up to 64 KB.
const LIMIT: usize = 4 << 20;
const TARGET: &str = "x-amz-target";
const CONTENT_DIGEST: &str = "x-amz-content-sha256";
/// Further headers that the signature covers. The HTTP client sets the host.
const SIGNED_HEADERS: [&str; 2] = ["x-amz-date", CONTENT_DIGEST];
/// Headers that are secret: the signature and the session token.
const SECRET_HEADERS: [&str; 2] = ["authorization", "x-amz-security-token"];

/// The HTTP client and the configuration of the AWS clients.
pub(super) struct AwsClient {
    pub(super) http: Arc<Client>,
    pub(super) settings: Settings,
}

/// A request to a service.
pub(super) struct AwsRequest<'a> {
    pub(super) service: Service,
    pub(super) region: &'a str,
    /// The action, such as `GetSecretValue`.
    pub(super) action: &'a str,
    pub(super) body: Vec<u8>,
}

impl<'a> AwsRequest<'a> {
    /// A request in the query protocol of STS.
    pub(super) fn sts(region: &'a str, action: &'a str, fields: &[(&str, &str)]) -> Self {
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.append_pair("Action", action).append_pair("Version", "2011-06-15").extend_pairs(fields);
        Self { service: Service::Sts, region, action, body: form.finish().into_bytes() }
    }
}

impl AwsClient {
    /// Sends a request until it succeeds, fails permanently, or the time limit passes. `source` describes the origin of
    /// the credentials for messages. Without credentials the request is not signed.
    pub(super) async fn send(
        &self,
        aws_request: &AwsRequest<'_>,
        credentials: Option<&Credentials>,
        source: &str,
    ) -> Result<Answer, AwsError> {
        let began = Instant::now();
        let pauses = ExponentialBuilder::default()
            .with_min_delay(Duration::from_millis(100))
            .with_max_delay(Duration::from_secs(8))
            .with_jitter()
            .without_max_times();
        for pause in pauses.build() {
            match self.send_once(aws_request, credentials, source).await {
                Err(refusal) if refusal.is_transient && began.elapsed() + pause < BUDGET => {}
                ended => return ended,
            }
            tokio::time::sleep(pause).await;
        }
        self.send_once(aws_request, credentials, source).await
    }

    async fn send_once(
        &self,
        aws_request: &AwsRequest<'_>,
        credentials: Option<&Credentials>,
        source: &str,
    ) -> Result<Answer, AwsError> {
        let request = self.http_request(aws_request, credentials).await?;
        let answer = self.http.call(&request).await;
        let answer = answer.map_err(|error| AwsError::unanswered(aws_request.service, &error))?;
        if answer.is_success() {
            return Ok(answer);
        }
        Err(AwsError::of_answer(aws_request.service, aws_request.action, source, &answer))
    }

    async fn http_request(
        &self,
        aws_request: &AwsRequest<'_>,
        credentials: Option<&Credentials>,
    ) -> Result<Request, CloudError> {
        let url = aws_request.service.endpoint(&self.settings, aws_request.region)?;
        let (prefix, content_type) = aws_request.service.protocol();
        let target = (!prefix.is_empty()).then(|| format!("{prefix}.{}", aws_request.action));
        let body = aws_request.body.clone();
        let Some(credentials) = credentials else {
            // The form contains a token.
            let post = Request::post(url, content_type, body).secret_body();
            return Ok(post.timeout(TIMEOUT).limit(LIMIT));
        };
        let signed = signed(&url, aws_request, content_type, target.as_deref(), credentials).await?;
        let mut request = Request::post(url, content_type, body).timeout(TIMEOUT).limit(LIMIT);
        if let Some(target) = &target {
            request = request.header(TARGET, target);
        }
        for name in SIGNED_HEADERS {
            let value = signed.get(name).and_then(|value| value.to_str().ok());
            request = request.header(name, value.unwrap_or_default());
        }
        for name in SECRET_HEADERS {
            if let Some(value) = signed.get(name) {
                request = request.credential(name, value.as_bytes());
            }
        }
        Ok(request)
    }
}

/// The headers of a request, including the signature.
async fn signed(
    url: &Url,
    aws_request: &AwsRequest<'_>,
    content_type: &str,
    target: Option<&str>,
    credentials: &Credentials,
) -> Result<HeaderMap, CloudError> {
    let unsigned = || CloudError::new(CloudErrorKind::Invalid, "the request could not be signed");
    let text = |secret: &Secret| std::str::from_utf8(secret.reveal()).map(str::to_owned).map_err(|_| unsigned());
    let mut request =
        ::http::Request::builder().method(Method::POST).uri(url.as_str()).header("content-type", content_type);
    request = request.header(CONTENT_DIGEST, Digest::sha256(&aws_request.body).hex());
    if let Some(target) = target {
        request = request.header(HeaderName::from_static(TARGET), target);
    }
    let (mut parts, ()) = request.body(()).map_err(|_| unsigned())?.into_parts();
    let credential = reqsign_aws_v4::Credential {
        access_key_id: credentials.key.clone(),
        secret_access_key: text(&credentials.secret)?,
        session_token: credentials.token.as_ref().map(text).transpose()?,
        expires_in: None,
    };
    let signer = RequestSigner::new(aws_request.service.id(), aws_request.region);
    let done = signer.sign_request(&Context::new(), &mut parts, Some(&credential), None).await;
    done.map_err(|_| unsigned().hint("a credential contains characters that are not allowed in a header"))?;
    Ok(parts.headers)
}
