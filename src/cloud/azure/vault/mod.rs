//! Azure Key Vault over its REST interface, version 7.4, which every vault speaks:
//! <https://learn.microsoft.com/rest/api/keyvault/secrets>.

mod challenge;
mod error;

use std::time::Duration;

use error::{refused, short};
use serde::Deserialize;
use url::Url;

use super::Tenant;
use crate::{
    cloud::{CloudError, CloudErrorKind, PageLimit},
    http::{Answer, Request, RetryPolicy},
    redact::Secret,
};

const VERSION: (&str, &str) = ("api-version", "7.4");
/// As the service asks for: one second, then two, four, eight.
const RETRYING: RetryPolicy = RetryPolicy {
    budget: Duration::from_secs(40),
    statuses: &[429, 500, 502, 503, 504],
    first: Duration::from_secs(1),
};
/// More bytes than a secret, or a page of names, has.
const LIMIT: usize = 1 << 20;

/// What is asked of a vault.
#[derive(Debug, Clone, Copy)]
enum VaultRequest<'a> {
    /// One secret's value.
    Secret(&'a str),
    /// The names of all.
    Names,
}

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

/// A vault, as somebody of a tenant sees it.
pub(crate) struct Vault<'a> {
    pub(super) tenant: &'a Tenant,
    pub(super) vault: &'a Url,
}

impl Vault<'_> {
    /// A secret's value: the latest without a version.
    pub(crate) async fn secret(&self, name: &str, version: Option<&str>) -> Result<Secret, CloudError> {
        for (what, part) in [("name", Some(name)), ("version", version)] {
            let Some(part) = part else { continue };
            let is_plain = part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
            if !is_plain || !(1..=127).contains(&part.len()) {
                let message = format!("`{part}` is not a valid {what} of a secret in a Key Vault");
                return Err(
                    CloudError::new(CloudErrorKind::Invalid, message).hint("letters, digits and dashes, at most 127")
                );
            }
        }
        let url = address(self.vault, [Some("secrets"), Some(name), version].into_iter().flatten());
        let bundle: SecretBundle =
            self.ask(url, VaultRequest::Secret(name)).await?.json().map_err(|_| malformed(self.vault))?;
        Ok(bundle.value.into())
    }

    /// The names of all secrets, in order, also of those that are disabled.
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

    /// An answer of success.
    async fn ask(&self, url: Url, asked: VaultRequest<'_>) -> Result<Answer, CloudError> {
        let resource = match challenge::usual(self.vault) {
            Some(resource) => resource.to_owned(),
            None => self.challenged(&url).await?,
        };
        let mut token = self.tenant.token(&resource).await?;
        let mut answer = self.call(Request::get(url.clone()).bearer(&token)).await?;
        if answer.status == 401 {
            // It may have expired meanwhile, or the node's clock is wrong: once more with another one.
            self.tenant.forget(&resource, &token).await;
            token = self.tenant.token(&resource).await?;
            answer = self.call(Request::get(url).bearer(&token)).await?;
        }
        if answer.is_success() {
            return Ok(answer);
        }
        let who = self.tenant.principal().await.ok();
        Err(refused(self.vault, asked, &answer, who.as_ref()))
    }

    /// What a vault of no known cloud wants a token for: it says so when asked without one.
    async fn challenged(&self, url: &Url) -> Result<String, CloudError> {
        let answer = self.call(Request::get(url.clone())).await?;
        let named = answer.header("www-authenticate").and_then(challenge::resource);
        let Some(resource) = named.filter(|_| answer.status == 401) else {
            let message = format!("`{}` does not answer as a Key Vault does", short(self.vault));
            return Err(CloudError::new(CloudErrorKind::Malformed, message).hint("check the vault's address"));
        };
        if challenge::is_of(self.vault, &resource) {
            return Ok(resource);
        }
        let message = format!("`{}` asks for a token of another service; it is not sent", short(self.vault));
        let said = format!("the token is to be for {resource}");
        Err(CloudError::new(CloudErrorKind::Invalid, message)
            .said(&said)
            .hint("check the vault's address: it may not be a vault"))
    }

    async fn call(&self, request: Request) -> Result<Answer, CloudError> {
        let request = request.limit(LIMIT).retrying(RETRYING);
        let service = format!("the vault `{}`", short(self.vault));
        self.tenant.http.call(&request).await.map_err(|error| CloudError::unanswered(&service, &error))
    }

    /// The next page, if it is of the same vault: no answer chooses who gets the token.
    fn next(&self, link: &str) -> Result<Url, CloudError> {
        let found = Url::parse(link).ok().filter(|url| url.origin() == self.vault.origin());
        found.ok_or_else(|| {
            let message = format!("the vault `{}` names a next page that is elsewhere", short(self.vault));
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
        format!("the vault `{}` answered something that is no secret", short(vault)),
    )
    .hint("check the vault's address and the proxy")
}
