//! The HTTP client of a run.

use std::{collections::BTreeMap, sync::OnceLock, time::Duration};

use reqwest::{ClientBuilder, redirect::Policy};
use tokio::sync::Semaphore;
use url::Url;

use super::{
    basic_auth::BasicAuth,
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
    clients: Clients,
    /// The logins of this run.
    pub(super) logins: OnceLock<Vec<BasicAuth>>,
    pub(super) slots: Semaphore,
    /// The proxies of the run, and the clients that use them.
    of_run: OnceLock<(Proxies, Clients)>,
}

/// The clients, each built at its first use.
#[derive(Debug, Default)]
struct Clients {
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
            clients: Clients::default(),
            logins: OnceLock::new(),
            slots: Semaphore::new(MAX_CONCURRENT_REQUESTS),
            of_run: OnceLock::new(),
        }
    }
}

impl Client {
    /// Uses the proxies that the variables of a run name, from the next request on. `None` removes a variable.
    /// `present` is the environment of nodeagent.
    pub fn use_variables(&self, run: &BTreeMap<String, Option<String>>, present: &BTreeMap<String, String>) {
        if let Some(proxies) = Proxies::of(run, present) {
            // A second call has the same variables.
            let _ = self.of_run.set((proxies, Clients::default()));
        }
    }

    pub(super) fn inner(&self, url: &Url) -> Result<&reqwest::Client, HttpError> {
        let (proxies, clients) = self.clients();
        built(&clients.inner, url, |builder| through(proxies, builder.redirect(redirect::policy())))
    }

    pub(super) fn calling(&self, url: &Url) -> Result<&reqwest::Client, HttpError> {
        let (proxies, clients) = self.clients();
        built(&clients.calling, url, |builder| through(proxies, builder.redirect(Policy::none())))
    }

    pub(super) fn direct(&self, url: &Url) -> Result<&reqwest::Client, HttpError> {
        built(&self.clients().1.direct, url, |builder| Ok(builder.redirect(Policy::none()).no_proxy()))
    }

    fn clients(&self) -> (Option<&Proxies>, &Clients) {
        self.of_run.get().map_or((None, &self.clients), |(proxies, clients)| (Some(proxies), clients))
    }
}

fn through(proxies: Option<&Proxies>, builder: ClientBuilder) -> Result<ClientBuilder, String> {
    match proxies {
        Some(proxies) => proxies.apply(builder),
        None => Ok(builder),
    }
}

/// The client in this cell, built at the first use.
fn built<'a>(
    cell: &'a OnceLock<Result<reqwest::Client, String>>,
    url: &Url,
    settle: impl Fn(ClientBuilder) -> Result<ClientBuilder, String>,
) -> Result<&'a reqwest::Client, HttpError> {
    let builder = || {
        settle(
            reqwest::Client::builder()
                .user_agent(concat!("nodeagent/", env!("CARGO_PKG_VERSION")))
                .connect_timeout(CONNECT_TIMEOUT)
                .read_timeout(SILENCE_TIMEOUT),
        )
    };
    let build = || {
        // Without any CA certificate the client still works for plain http, and rejects every TLS server.
        let (plain, without_authorities) = (builder()?, builder()?.tls_certs_only([]));
        plain.build().or_else(|_| without_authorities.build()).map_err(|error| cause_chain(&error))
    };
    cell.get_or_init(build).as_ref().map_err(|why| HttpError::new(url, HttpProblem::Client(why.clone())))
}
