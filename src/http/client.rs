//! The HTTP client of a run.

use std::{
    collections::BTreeMap,
    sync::{Arc, OnceLock, PoisonError, RwLock},
    time::Duration,
};

use reqwest::{Certificate, ClientBuilder, redirect::Policy};
use tokio::sync::Semaphore;
use url::Url;

use super::{
    basic_auth::BasicAuth,
    dns::PatientResolver,
    error::{HttpError, HttpProblem, cause_chain},
    proxies::Proxies,
    redirect,
};

/// Downloads that run at the same time.
const MAX_CONCURRENT_REQUESTS: usize = 12;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);
/// A server that sends nothing for this time is disconnected, and the request is retried.
const SILENCE_TIMEOUT: Duration = Duration::from_secs(30);

/// The client for all requests of a run. It is built at the first request, so a ready node does not pay for it.
#[derive(Debug)]
pub struct Client {
    /// The clients with the present settings.
    present: RwLock<Arc<Clients>>,
    /// The logins of this run.
    pub(super) logins: RwLock<Vec<BasicAuth>>,
    pub(super) slots: Semaphore,
    #[cfg(any(test, fuzzing))]
    pub(super) prepared: super::prepared_answers::PreparedAnswers,
}

/// The settings of a run.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Settings {
    /// The proxies in place of those of the environment.
    proxies: Option<Proxies>,
    /// Trusted authorities besides those of the system, in DER.
    authorities: Vec<Vec<u8>>,
}

/// The clients, each built at its first use.
#[derive(Debug, Default)]
struct Clients {
    settings: Settings,
    /// Shared, so that each name is resolved once.
    dns: Arc<PatientResolver>,
    /// Follows redirects: for public content.
    inner: OnceLock<Result<reqwest::Client, String>>,
    /// Follows no redirects: for requests that may carry a credential.
    calling: OnceLock<Result<reqwest::Client, String>>,
    /// Like `calling`, but without a proxy: for this machine and its own link.
    direct: OnceLock<Result<reqwest::Client, String>>,
}

impl Default for Client {
    fn default() -> Self {
        Self {
            present: RwLock::default(),
            logins: RwLock::default(),
            slots: Semaphore::new(MAX_CONCURRENT_REQUESTS),
            #[cfg(any(test, fuzzing))]
            prepared: super::prepared_answers::PreparedAnswers::default(),
        }
    }
}

impl Client {
    /// Uses the proxies that the variables of a run name, from the next request on. `None` removes a variable.
    /// `present` is the environment of nodeagent.
    pub fn use_variables(&self, run: &BTreeMap<String, Option<String>>, present: &BTreeMap<String, String>) {
        if let Some(proxies) = Proxies::of(run, present) {
            self.change(|settings| settings.proxies = Some(proxies));
        }
    }

    /// Trusts authorities besides those of the system, from the next request on. `ders` are their certificates.
    pub fn trust(&self, ders: Vec<Vec<u8>>) {
        self.change(|settings| settings.authorities = ders);
    }

    /// Changes the settings for later requests. Equal settings keep the connections.
    fn change(&self, change: impl FnOnce(&mut Settings)) {
        let mut present = self.present.write().unwrap_or_else(PoisonError::into_inner);
        let mut settings = present.settings.clone();
        change(&mut settings);
        if settings != present.settings {
            *present = Arc::new(Clients { settings, ..Clients::default() });
        }
    }

    pub(super) fn inner(&self, url: &Url) -> Result<reqwest::Client, HttpError> {
        let clients = self.clients();
        let settle = |builder: ClientBuilder| through(&clients.settings, builder.redirect(redirect::policy()));
        clients.built(&clients.inner, url, settle)
    }

    pub(super) fn calling(&self, url: &Url) -> Result<reqwest::Client, HttpError> {
        let clients = self.clients();
        let settle = |builder: ClientBuilder| through(&clients.settings, builder.redirect(Policy::none()));
        clients.built(&clients.calling, url, settle)
    }

    pub(super) fn direct(&self, url: &Url) -> Result<reqwest::Client, HttpError> {
        let clients = self.clients();
        clients.built(&clients.direct, url, |builder| Ok(builder.redirect(Policy::none()).no_proxy()))
    }

    fn clients(&self) -> Arc<Clients> {
        Arc::clone(&self.present.read().unwrap_or_else(PoisonError::into_inner))
    }
}

fn through(settings: &Settings, builder: ClientBuilder) -> Result<ClientBuilder, String> {
    match &settings.proxies {
        Some(proxies) => proxies.apply(builder),
        None => Ok(builder),
    }
}

impl Clients {
    /// The client in this cell, built at the first use.
    fn built(
        &self,
        cell: &OnceLock<Result<reqwest::Client, String>>,
        url: &Url,
        settle: impl Fn(ClientBuilder) -> Result<ClientBuilder, String>,
    ) -> Result<reqwest::Client, HttpError> {
        let builder = || {
            settle(
                reqwest::Client::builder()
                    .user_agent(concat!("nodeagent/", env!("CARGO_PKG_VERSION")))
                    .connect_timeout(CONNECT_TIMEOUT)
                    .read_timeout(SILENCE_TIMEOUT)
                    .dns_resolver(Arc::clone(&self.dns)),
            )
        };
        let build = || {
            let own: Result<Vec<Certificate>, _> =
                self.settings.authorities.iter().map(|der| Certificate::from_der(der)).collect();
            let own = own.map_err(|error| cause_chain(&error))?;
            // Without any CA certificate of the system the client still works for plain http, and rejects every TLS
            // server of other authorities.
            let (with_system, alone) = (builder()?.tls_certs_merge(own.clone()), builder()?.tls_certs_only(own));
            with_system.build().or_else(|_| alone.build()).map_err(|error| cause_chain(&error))
        };
        let client = cell.get_or_init(build).clone();
        client.map_err(|why| HttpError::new(url, HttpProblem::Client(why)))
    }
}
