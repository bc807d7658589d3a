//! Access tokens of an Azure tenant. They are kept in memory only.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use url::Url;

use super::{
    claims::{self, AzurePrincipal},
    credential::{self, Credential},
    token::Token,
};
use crate::{
    cloud::{
        CloudError,
        client_environment::ClientEnvironment,
        entra::{self, Audience, MetadataToken, Proof, TokenRequest},
    },
    http,
    redact::Secret,
};

/// Sign-in servers, each with the resource manager of its cloud. Every identity may request a token for the manager.
const MANAGEMENT: [(&str, &str); 3] = [
    ("login.microsoftonline.com", "https://management.azure.com"),
    ("login.microsoftonline.us", "https://management.usgovcloudapi.net"),
    ("login.chinacloudapi.cn", "https://management.chinacloudapi.cn"),
];

/// A tenant, accessed with the identity of the node.
pub struct Tenant {
    pub(super) http: Arc<http::Client>,
    credential: Credential,
    authority: Url,
    /// One slot for each resource.
    tokens: Mutex<BTreeMap<String, Arc<tokio::sync::Mutex<TokenSlot>>>>,
}

/// The token of one resource.
#[derive(Default)]
struct TokenSlot {
    token: Option<Token>,
    /// The last failure and its time.
    failed: Option<(Instant, CloudError)>,
}

impl Tenant {
    /// Selects the credential of the node. The only request is a probe of the machine's metadata service.
    pub(in crate::cloud) async fn connect(
        http: Arc<http::Client>,
        environment: &ClientEnvironment,
    ) -> Result<Self, CloudError> {
        let credential = credential::choose(environment)?;
        let authority = credential::authority(environment)?;
        if let Credential::Metadata { endpoint, is_default: true, .. } = &credential {
            entra::probe(&http, endpoint, credential::incomplete(environment).as_deref()).await?;
        }
        Ok(Self { http, credential, authority, tokens: Mutex::default() })
    }

    /// The identity of the node.
    pub async fn principal(&self) -> Result<AzurePrincipal, CloudError> {
        let token = match self.any_token() {
            Some(token) => token,
            None => self.token(self.management()).await?,
        };
        claims::principal(&token, self.credential.auth_type())
    }

    /// A token for a resource such as `https://vault.azure.net`. Concurrent callers share one request. The token is
    /// renewed before it expires.
    pub(super) async fn token(&self, resource: &str) -> Result<Secret, CloudError> {
        let called = Instant::now();
        let slot = self.slot(resource);
        let mut slot = slot.lock().await;
        if let Some(token) = slot.token.as_ref().filter(|token| token.is_fresh()) {
            return Ok(token.value.clone());
        }
        // A caller that waited for the failed request of another caller gets the same error.
        if let Some((_, error)) = slot.failed.as_ref().filter(|(when, _)| *when >= called) {
            return Err(error.clone());
        }
        match self.request(resource).await {
            Ok(token) => {
                let value = token.value.clone();
                *slot = TokenSlot { token: Some(token), failed: None };
                Ok(value)
            }
            Err(error) => {
                slot.failed = Some((Instant::now(), error.clone()));
                Err(error)
            }
        }
    }

    /// Drops a token that a service rejected, unless it was already replaced.
    pub(super) async fn forget(&self, resource: &str, rejected: &Secret) {
        let slot = self.slot(resource);
        let mut slot = slot.lock().await;
        if slot.token.as_ref().is_some_and(|token| token.value.reveal() == rejected.reveal()) {
            slot.token = None;
        }
    }

    async fn request(&self, resource: &str) -> Result<Token, CloudError> {
        let by_application = async |application, proof| {
            let (authority, variables) = (&self.authority, entra::AZURE_VARIABLES);
            let audience = Audience::Scope(resource);
            TokenRequest { authority, application, proof, audience, variables }.send(&self.http).await
        };
        let answer = match &self.credential {
            Credential::ClientSecret { application, secret } => {
                by_application(application, Proof::Secret(secret)).await?
            }
            Credential::WorkloadIdentity { application, file } => {
                by_application(application, Proof::AssertionFile(file)).await?
            }
            Credential::AppService { endpoint, header, client } => {
                entra::app_service_token(&self.http, endpoint, header, client.as_deref(), resource).await?
            }
            Credential::Metadata { endpoint, client, .. } => {
                let variables = entra::AZURE_VARIABLES;
                MetadataToken { endpoint, client: client.as_deref(), resource, variables }.send(&self.http).await?
            }
        };
        Token::read(&answer)
    }

    /// Any fresh token. The claims of each of them identify the node.
    fn any_token(&self) -> Option<Secret> {
        let slots = self.slots();
        let mut slots = slots.values().filter_map(|slot| slot.try_lock().ok());
        slots.find_map(|slot| slot.token.as_ref().filter(|token| token.is_fresh()).map(|token| token.value.clone()))
    }

    fn management(&self) -> &'static str {
        let host = self.authority.host_str().unwrap_or_default();
        MANAGEMENT.iter().find(|(login, _)| *login == host).map_or(MANAGEMENT[0].1, |(_, management)| management)
    }

    fn slot(&self, resource: &str) -> Arc<tokio::sync::Mutex<TokenSlot>> {
        Arc::clone(self.slots().entry(resource.to_owned()).or_default())
    }

    fn slots(&self) -> MutexGuard<'_, BTreeMap<String, Arc<tokio::sync::Mutex<TokenSlot>>>> {
        self.tokens.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
