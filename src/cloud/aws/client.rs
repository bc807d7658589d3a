//! Requests on their provider: signed (Signature Version 4, by `reqsign`), tried again where that can help.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use ::http::{HeaderMap, Method, header::HeaderName};
use backon::{BackoffBuilder as _, ExponentialBuilder};
use reqsign_aws_v4::RequestSigner;
use reqsign_core::{Context, SignRequest as _};
use serde::Deserialize as _;
use url::Url;

use super::{credentials::Credentials, error::AwsError, service::Service, settings::Settings};
use crate::{
    cloud::{CloudError, CloudErrorKind},
    digest::Digest,
    http::{Answer, Client, Request},
    redact::Secret,
};

/// All tries of a call together.
const BUDGET: Duration = Duration::from_secs(45);
/// One try.
const TIMEOUT: Duration = Duration::from_secs(15);
/// The largest answer. DynamoDB's is 1 MB, a secret's 64 KB.
const LIMIT: usize = 4 << 20;
const TARGET: &str = "x-amz-target";
const CONTENT_DIGEST: &str = "x-amz-content-sha256";
/// What else the signature covers. The host is the client's own business.
const COVERED: [&str; 2] = ["x-amz-date", CONTENT_DIGEST];
/// What nobody may see: the signature and the session.
const CREDENTIALS: [&str; 2] = ["authorization", "x-amz-security-token"];

/// The network, and the configuration of what is asked there.
pub(super) struct AwsClient {
    pub(super) http: Arc<Client>,
    pub(super) settings: Settings,
}

/// What is asked of a service.
pub(super) struct AwsRequest<'a> {
    pub(super) service: Service,
    pub(super) region: &'a str,
    /// The action, such as `GetSecretValue`.
    pub(super) action: &'a str,
    pub(super) body: Vec<u8>,
}

impl<'a> AwsRequest<'a> {
    /// A question in the older dialect of STS.
    pub(super) fn of_sts(region: &'a str, action: &'a str, fields: &[(&str, &str)]) -> Self {
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.append_pair("Action", action).append_pair("Version", "2011-06-15").extend_pairs(fields);
        Self { service: Service::Sts, region, action, body: form.finish().into_bytes() }
    }
}

impl AwsClient {
    /// Asks until there is an answer of success, a refusal that lasts, or the time is over. `source` says in words whose
    /// credentials these are; without credentials the question is not signed.
    pub(super) async fn ask(
        &self,
        question: &AwsRequest<'_>,
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
            match self.ask_once(question, credentials, source).await {
                Err(refusal) if refusal.is_transient && began.elapsed() + pause < BUDGET => {}
                ended => return ended,
            }
            tokio::time::sleep(pause).await;
        }
        self.ask_once(question, credentials, source).await
    }

    async fn ask_once(
        &self,
        question: &AwsRequest<'_>,
        credentials: Option<&Credentials>,
        source: &str,
    ) -> Result<Answer, AwsError> {
        let request = self.request(question, credentials).await?;
        let answer = self.http.call(&request).await;
        let answer = answer.map_err(|error| AwsError::unanswered(question.service, &error))?;
        if answer.is_success() {
            return Ok(answer);
        }
        Err(AwsError::of_answer(question.service, question.action, source, &answer))
    }

    async fn request(
        &self,
        question: &AwsRequest<'_>,
        credentials: Option<&Credentials>,
    ) -> Result<Request, CloudError> {
        let url = question.service.endpoint(&self.settings, question.region)?;
        let (prefix, content_type) = question.service.dialect();
        let target = (!prefix.is_empty()).then(|| format!("{prefix}.{}", question.action));
        let body = question.body.clone();
        let Some(credentials) = credentials else {
            // A token is in the form.
            let post = Request::post(url, content_type, body).secret_body();
            return Ok(post.timeout(TIMEOUT).limit(LIMIT));
        };
        let signed = signed(&url, question, content_type, target.as_deref(), credentials).await?;
        let mut request = Request::post(url, content_type, body).timeout(TIMEOUT).limit(LIMIT);
        if let Some(target) = &target {
            request = request.header(TARGET, target);
        }
        for name in COVERED {
            let value = signed.get(name).and_then(|value| value.to_str().ok());
            request = request.header(name, value.unwrap_or_default());
        }
        for name in CREDENTIALS {
            if let Some(value) = signed.get(name) {
                request = request.credential(name, value.as_bytes());
            }
        }
        Ok(request)
    }
}

/// The headers of a question, signature included.
async fn signed(
    url: &Url,
    question: &AwsRequest<'_>,
    content_type: &str,
    target: Option<&str>,
    credentials: &Credentials,
) -> Result<HeaderMap, CloudError> {
    let unsigned = || CloudError::new(CloudErrorKind::Invalid, "the request could not be signed");
    let text = |secret: &Secret| std::str::from_utf8(secret.reveal()).map(str::to_owned).map_err(|_| unsigned());
    let mut request =
        ::http::Request::builder().method(Method::POST).uri(url.as_str()).header("content-type", content_type);
    request = request.header(CONTENT_DIGEST, Digest::sha256(&question.body).hex());
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
    let signer = RequestSigner::new(question.service.id(), question.region);
    let done = signer.sign_request(&Context::new(), &mut parts, Some(&credential), None).await;
    done.map_err(|_| unsigned().hint("a credential has characters that no header can have"))?;
    Ok(parts.headers)
}

/// Takes a value in as what it is: a secret.
pub(super) fn secret<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Secret, D::Error> {
    String::deserialize(from).map(Secret::from)
}
