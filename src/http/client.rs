//! The HTTP client of a run.

use std::{sync::OnceLock, time::Duration};

use reqwest::{ClientBuilder, redirect::Policy};
use tokio::sync::Semaphore;
use url::Url;

use super::{
    basic_auth::BasicAuth,
    error::{HttpError, HttpProblem, cause_chain},
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
    /// Follows redirects: for public content.
    inner: OnceLock<Result<reqwest::Client, String>>,
    /// Follows no redirects: for requests that may carry a credential.
    calling: OnceLock<Result<reqwest::Client, String>>,
    /// Like `calling`, but without a proxy: for this machine and its own link.
    direct: OnceLock<Result<reqwest::Client, String>>,
    /// The logins of this run.
    pub(super) logins: OnceLock<Vec<BasicAuth>>,
    pub(super) slots: Semaphore,
}

impl Default for Client {
    fn default() -> Self {
        Self {
            inner: OnceLock::new(),
            calling: OnceLock::new(),
            direct: OnceLock::new(),
            logins: OnceLock::new(),
            slots: Semaphore::new(MAX_CONCURRENT_REQUESTS),
        }
    }
}

impl Client {
    pub(super) fn inner(&self, url: &Url) -> Result<&reqwest::Client, HttpError> {
        built(&self.inner, url, |builder| builder.redirect(redirect::policy()))
    }

    pub(super) fn calling(&self, url: &Url) -> Result<&reqwest::Client, HttpError> {
        built(&self.calling, url, |builder| builder.redirect(Policy::none()))
    }

    pub(super) fn direct(&self, url: &Url) -> Result<&reqwest::Client, HttpError> {
        built(&self.direct, url, |builder| builder.redirect(Policy::none()).no_proxy())
    }
}

/// The client in this cell, built at the first use.
fn built<'a>(
    cell: &'a OnceLock<Result<reqwest::Client, String>>,
    url: &Url,
    settle: impl Fn(ClientBuilder) -> ClientBuilder,
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
        let built = builder().build().or_else(|_| builder().tls_certs_only([]).build());
        built.map_err(|error| cause_chain(&error))
    };
    cell.get_or_init(build).as_ref().map_err(|why| HttpError::new(url, HttpProblem::Client(why.clone())))
}
