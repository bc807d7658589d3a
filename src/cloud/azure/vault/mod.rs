//! Azure Key Vault over its REST API, version 7.4, which every vault supports:
//! <https://learn.microsoft.com/rest/api/keyvault/secrets>.

mod challenge;
mod error;
mod request;

use std::time::Duration;

use serde::Deserialize;
use url::Url;

use self::{
    error::refused,
    request::{VaultRequest, display_name},
};
use super::tenant::Tenant;
use crate::{
    cloud::{CloudError, CloudErrorKind, PageLimit},
    http::{Answer, Request, RetryPolicy},
    redact::Secret,
};

const VERSION: (&str, &str) = ("api-version", "7.4");
/// As the documentation of the service requires: 1 second, then 2, 4 and 8.
const RETRYING: RetryPolicy = RetryPolicy {
    budget: Duration::from_secs(40),
    statuses: &[429, 500, 502, 503, 504],
    first: Duration::from_secs(1),
};
/// No secret and no page of names is larger than this, in bytes.
const LIMIT: usize = 1 << 20;

#[derive(Deserialize)]
struct SecretBundle {
    value: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Page {
    #[serde(default)]
    value: Vec<SecretItem>,
    next_link: Option<String>,
}

#[derive(Deserialize)]
struct SecretItem {
    id: Url,
}

/// A vault, accessed with the identity of the node.
pub(crate) struct Vault<'a> {
    tenant: &'a Tenant,
    vault: &'a Url,
}

impl<'a> Vault<'a> {
    pub(crate) fn new(tenant: &'a Tenant, vault: &'a Url) -> Self {
        Self { tenant, vault }
    }

    /// The value of a secret: of its latest version if `version` is `None`.
    pub(crate) async fn secret(&self, name: &str, version: Option<&str>) -> Result<Secret, CloudError> {
        for (what, part) in [("name", Some(name)), ("version", version)] {
            let Some(part) = part else { continue };
            let is_plain = part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
            if !is_plain || !(1..=127).contains(&part.len()) {
                let message = format!("`{part}` is not a valid {what} of a secret in a Key Vault");
                return Err(CloudError::new(CloudErrorKind::Invalid, message)
                    .hint("use letters, digits and dashes, at most 127"));
            }
        }
        let url = address(self.vault, [Some("secrets"), Some(name), version].into_iter().flatten());
        let bundle: SecretBundle =
            self.ask(url, VaultRequest::Secret(name)).await?.json().map_err(|_| malformed(self.vault))?;
        Ok(bundle.value.into())
    }

    /// The names of all secrets, sorted, including disabled ones.
    pub(crate) async fn names(&self) -> Result<Vec<String>, CloudError> {
        let mut found = Vec::new();
        let (mut next, mut pages) = (Some(address(self.vault, ["secrets"])), PageLimit::default());
        while let Some(url) = next {
            pages.next_page()?;
            let page: Page = self.ask(url, VaultRequest::Names).await?.json().map_err(|_| malformed(self.vault))?;
            found.extend(page.value.iter().filter_map(|listed| listed.id.path_segments()?.nth(1).map(str::to_owned)));
            next = page.next_link.filter(|link| !link.is_empty()).map(|link| self.next(&link)).transpose()?;
        }
        found.sort();
        found.dedup();
        Ok(found)
    }

    /// Sends a request with a token. Returns a successful answer.
    async fn ask(&self, url: Url, vault_request: VaultRequest<'_>) -> Result<Answer, CloudError> {
        let resource = match challenge::known_resource(self.vault) {
            Some(resource) => resource.to_owned(),
            None => self.challenged(&url).await?,
        };
        let mut token = self.tenant.token(&resource).await?;
        let mut answer = self.call(Request::get(url.clone()).bearer(&token)).await?;
        if answer.status == 401 {
            // The token may have expired, or the node's clock is wrong. Try once more with a new token.
            self.tenant.forget(&resource, &token).await;
            token = self.tenant.token(&resource).await?;
            answer = self.call(Request::get(url).bearer(&token)).await?;
        }
        if answer.is_success() {
            return Ok(answer);
        }
        let principal = self.tenant.principal().await.ok();
        Err(refused(self.vault, vault_request, &answer, principal.as_ref()))
    }

    /// The resource that a vault outside the known clouds requires a token for. Its answer to a request without a token
    /// names the resource.
    async fn challenged(&self, url: &Url) -> Result<String, CloudError> {
        let answer = self.call(Request::get(url.clone())).await?;
        let named = answer.header("www-authenticate").and_then(challenge::resource);
        let Some(resource) = named.filter(|_| answer.status == 401) else {
            let message = format!("`{}` does not answer like a Key Vault", display_name(self.vault));
            return Err(CloudError::new(CloudErrorKind::Malformed, message).hint("check the vault's address"));
        };
        if challenge::accepts(self.vault, &resource) {
            return Ok(resource);
        }
        let message = format!("`{}` requests a token for another service; no token was sent", display_name(self.vault));
        let detail = format!("the requested resource is {resource}");
        Err(CloudError::new(CloudErrorKind::Invalid, message)
            .detail(&detail)
            .hint("check the vault's address: the server may not be a vault"))
    }

    async fn call(&self, request: Request) -> Result<Answer, CloudError> {
        let request = request.limit(LIMIT).retrying(RETRYING);
        let service = format!("the vault `{}`", display_name(self.vault));
        self.tenant.http.call(&request).await.map_err(|error| CloudError::unanswered(&service, &error))
    }

    /// The address of the next page. It must be in the same vault, because the token is sent to it.
    fn next(&self, link: &str) -> Result<Url, CloudError> {
        let found = Url::parse(link).ok().filter(|url| url.origin() == self.vault.origin());
        found.ok_or_else(|| {
            let message =
                format!("the vault `{}` returned a link to a page on another server", display_name(self.vault));
            CloudError::new(CloudErrorKind::Malformed, message).hint("check the vault's address")
        })
    }
}

fn address<'a>(vault: &Url, parts: impl IntoIterator<Item = &'a str>) -> Url {
    let mut url = vault.clone();
    url.set_path("");
    if let Ok(mut path) = url.path_segments_mut() {
        path.pop_if_empty().extend(parts);
    }
    url.query_pairs_mut().clear().append_pair(VERSION.0, VERSION.1);
    url
}

fn malformed(vault: &Url) -> CloudError {
    CloudError::new(
        CloudErrorKind::Malformed,
        format!("the vault `{}` returned an answer that is not a secret", display_name(vault)),
    )
    .hint("check the vault's address and the proxy")
}
