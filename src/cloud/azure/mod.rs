//! An Azure tenant: who the node is there, and tokens for its services, held in memory only.

mod claims;
mod credential;
mod entra;
mod managed_identity;
mod token;
mod vault;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use credential::Credential;
use token::Token;
use url::Url;
use vault::Vault;

use super::{ClientEnvironment, CloudError};
use crate::{http, redact::Secret};

/// Sign-in addresses, and the address of the same cloud's resource manager: every identity may have a token for it.
const MANAGEMENT: [(&str, &str); 3] = [
    ("login.microsoftonline.com", "https://management.azure.com"),
    ("login.microsoftonline.us", "https://management.usgovcloudapi.net"),
    ("login.chinacloudapi.cn", "https://management.chinacloudapi.cn"),
];

/// A tenant, as somebody in it.
pub struct Tenant {
    http: Arc<http::Client>,
    credential: Credential,
    authority: Url,
    /// A token a resource.
    tokens: Mutex<BTreeMap<String, Arc<tokio::sync::Mutex<TokenSlot>>>>,
}

/// What is known of one resource's token.
#[derive(Default)]
struct TokenSlot {
    token: Option<Token>,
    /// Why the last one could not be had, and when that was known.
    failed: Option<(Instant, CloudError)>,
}

/// Who the node is in a tenant, by its token's claims.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct AzurePrincipal {
    /// The tenant's id.
    pub tenant: String,
    /// The object's id: of a service principal or a managed identity.
    pub object_id: String,
    /// The application's id.
    pub client_id: Option<String>,
    /// How the token was had: `managed-identity`, `workload-identity`, `client-secret`.
    pub auth_type: String,
}

impl Tenant {
    /// Finds out how the node proves who it is. Asks nobody but the machine's own metadata service whether it is there.
    pub(super) async fn connect(http: Arc<http::Client>, environment: &ClientEnvironment) -> Result<Self, CloudError> {
        let credential = credential::choose(environment)?;
        let authority = credential::authority(environment)?;
        if let Credential::Metadata { endpoint, is_usual: true, .. } = &credential {
            managed_identity::probe(&http, endpoint, credential::incomplete(environment).as_deref()).await?;
        }
        Ok(Self { http, credential, authority, tokens: Mutex::default() })
    }

    /// Who the node is here.
    pub async fn principal(&self) -> Result<AzurePrincipal, CloudError> {
        let token = match self.any_token() {
            Some(token) => token,
            None => self.token(self.management()).await?,
        };
        claims::principal(&token, self.credential.auth_type())
    }

    /// A Key Vault, as this identity sees it.
    pub(crate) fn vault<'a>(&'a self, vault: &'a Url) -> Vault<'a> {
        Vault { tenant: self, vault }
    }

    /// A token for a resource such as `https://vault.azure.net`. It is asked for once, whoever wants it at the same
    /// time, and again before it expires.
    pub(super) async fn token(&self, resource: &str) -> Result<Secret, CloudError> {
        let asked = Instant::now();
        let place = Arc::clone(self.places().entry(resource.to_owned()).or_default());
        let mut held = place.lock().await;
        if let Some(token) = held.token.as_ref().filter(|token| token.is_fresh()) {
            return Ok(token.value.clone());
        }
        // Who waited while another one tried hears the same answer.
        if let Some((_, error)) = held.failed.as_ref().filter(|(when, _)| *when >= asked) {
            return Err(error.clone());
        }
        match self.ask(resource).await {
            Ok(token) => {
                let value = token.value.clone();
                *held = TokenSlot { token: Some(token), failed: None };
                Ok(value)
            }
            Err(error) => {
                held.failed = Some((Instant::now(), error.clone()));
                Err(error)
            }
        }
    }

    /// Forgets a token that a service did not take, unless there is another one by now.
    pub(super) async fn forget(&self, resource: &str, rejected: &Secret) {
        let place = Arc::clone(self.places().entry(resource.to_owned()).or_default());
        let mut held = place.lock().await;
        if held.token.as_ref().is_some_and(|token| token.value.reveal() == rejected.reveal()) {
            held.token = None;
        }
    }

    async fn ask(&self, resource: &str) -> Result<Token, CloudError> {
        match &self.credential {
            Credential::ClientSecret { application, secret } => {
                entra::by_secret(&self.http, &self.authority, application, secret, resource).await
            }
            Credential::WorkloadIdentity { application, file } => {
                entra::by_assertion(&self.http, &self.authority, application, file, resource).await
            }
            Credential::AppService { endpoint, header, client } => {
                managed_identity::of_app_service(&self.http, endpoint, header, client.as_deref(), resource).await
            }
            Credential::Metadata { endpoint, client, .. } => {
                managed_identity::of_machine(&self.http, endpoint, client.as_deref(), resource).await
            }
        }
    }

    /// A token that is at hand: each of them says who the node is.
    fn any_token(&self) -> Option<Secret> {
        let places = self.places();
        let mut held = places.values().filter_map(|place| place.try_lock().ok());
        held.find_map(|held| held.token.as_ref().filter(|token| token.is_fresh()).map(|token| token.value.clone()))
    }

    fn management(&self) -> &'static str {
        let host = self.authority.host_str().unwrap_or_default();
        MANAGEMENT.iter().find(|(login, _)| *login == host).map_or(MANAGEMENT[0].1, |(_, management)| management)
    }

    fn places(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Arc<tokio::sync::Mutex<TokenSlot>>>> {
        self.tokens.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
