//! Requests with logins. Each login is sent only to addresses with its prefix, also after redirects.

use std::sync::PoisonError;

use reqwest::{
    RequestBuilder, Response,
    header::{AUTHORIZATION, LOCATION},
};
use url::Url;

use super::{
    address::{goes_direct, without_credentials},
    basic_auth::BasicAuth,
    client::Client,
    error::{HttpError, HttpProblem, login_hint},
    redirect::{self, RedirectError},
};

impl Client {
    /// Sets the logins for later requests, in place of earlier ones.
    pub fn set_logins(&self, logins: Vec<BasicAuth>) {
        *self.logins.write().unwrap_or_else(PoisonError::into_inner) = logins;
    }

    /// Whether requests to an address carry a login, so that the content may not be public.
    pub fn has_login(&self, url: &Url) -> bool {
        !url.username().is_empty() || self.login(url).is_some()
    }

    /// The login for an address: the one with the longest prefix.
    pub(super) fn login(&self, url: &Url) -> Option<BasicAuth> {
        let all = self.logins.read().unwrap_or_else(PoisonError::into_inner);
        let logins = all.iter().filter(|login| login.prefix.covers(url));
        logins.max_by_key(|login| login.prefix.url().path().len()).cloned()
    }

    /// A hint for an address that the server refused with 401 or 403: check the login that was sent, or add one.
    pub fn remedy(&self, status: u16, url: &Url) -> String {
        let login = self.login(url).map(|login| login.name);
        login_hint(status, &without_credentials(url), login.as_deref())
    }

    /// The status for an address, with its login.
    pub async fn status(&self, url: &Url) -> Result<u16, HttpError> {
        let answer = self.answer(url, None).await?;
        Ok(answer.status().as_u16())
    }

    /// The answer for an address, with its login. Without a login, redirects are followed by the client itself.
    pub(super) async fn answer(&self, url: &Url, header: Option<(&str, &str)>) -> Result<Response, HttpError> {
        if let Some(login) = self.login(url) {
            return self.logged_in(url, &login, header).await;
        }
        let request = with(self.inner(url)?.get(url.clone()), header);
        request.send().await.map_err(|error| HttpError::from_reqwest(url, &error))
    }

    /// One request with a login. Redirects are followed one by one. The login is no longer sent after the first
    /// redirect to an address without its prefix.
    async fn logged_in(
        &self,
        url: &Url,
        login: &BasicAuth,
        header: Option<(&str, &str)>,
    ) -> Result<Response, HttpError> {
        let (mut at, mut shown) = (url.clone(), true);
        for _ in 0..=redirect::MAX_REDIRECTS {
            let client = if goes_direct(&at) { self.direct(&at)? } else { self.calling(&at)? };
            let mut request = with(client.get(at.clone()), header);
            shown &= login.prefix.covers(&at);
            if shown {
                request = request.header(AUTHORIZATION, login.header());
            }
            let answer = request.send().await.map_err(|error| HttpError::from_reqwest(&at, &error))?;
            let Some(next) = next(&at, &answer) else { return Ok(answer) };
            redirect::allowed(&at, &next).map_err(|redirect| HttpError::new(&at, HttpProblem::Redirect(redirect)))?;
            at = next;
        }
        Err(HttpError::new(url, HttpProblem::Redirect(RedirectError::TooMany)))
    }
}

/// Adds a header to a request.
fn with(request: RequestBuilder, header: Option<(&str, &str)>) -> RequestBuilder {
    match header {
        Some((name, value)) => request.header(name, value),
        None => request,
    }
}

/// The target of a redirect.
fn next(at: &Url, answer: &Response) -> Option<Url> {
    if !matches!(answer.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
        return None;
    }
    let next = at.join(answer.headers().get(LOCATION)?.to_str().ok()?).ok()?;
    matches!(next.scheme(), "http" | "https").then_some(next)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::redact::{Secret, UrlPrefix};
    use crate::test_server::{TestServer, reply};

    /// Answers each request with the next of these heads.
    fn server(heads: &[&str]) -> TestServer {
        TestServer::replying(heads.iter().map(|head| reply(head, "ok")).collect())
    }

    fn client(url_prefix: &Url, path: &str) -> Client {
        let url_prefix = UrlPrefix::parse(url_prefix.join(path).expect("below").as_str()).expect("a URL prefix");
        let client = Client::default();
        client.set_logins(vec![BasicAuth::new(
            url_prefix,
            "Aladdin",
            &Secret::from("open sesame".to_owned()),
            "`Aladdin`",
        )]);
        client
    }

    /// The example of RFC 7617.
    const SHOWN: &str = "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==";

    #[tokio::test]
    async fn a_login_is_sent_only_to_addresses_with_its_prefix() {
        let server = server(&["200 OK", "200 OK"]);
        let client = client(&server.url, "team");
        for path in ["team/x", "teams"] {
            assert_eq!(client.bytes(&server.url.join(path).expect("below"), 10).await.expect("an answer"), b"ok");
        }
        let shown: Vec<_> =
            server.requests().iter().map(|request| request.header("authorization").to_owned()).collect();
        assert_eq!(shown, [SHOWN, ""]);
    }

    #[tokio::test]
    async fn later_logins_replace_earlier_ones() {
        let server = server(&["200 OK", "200 OK"]);
        let client = client(&server.url, "team");
        client.set_logins(Vec::new());
        client.bytes(&server.url.join("team/x").expect("below"), 10).await.expect("an answer");
        let prefix = UrlPrefix::parse(server.url.as_str()).expect("a URL prefix");
        let password = Secret::from("open sesame".to_owned());
        client.set_logins(vec![BasicAuth::new(prefix, "Aladdin", &password, "`Aladdin`")]);
        client.bytes(&server.url.join("other").expect("below"), 10).await.expect("an answer");
        let shown: Vec<_> =
            server.requests().iter().map(|request| request.header("authorization").to_owned()).collect();
        assert_eq!(shown, ["", SHOWN]);
    }

    #[tokio::test]
    async fn a_redirect_keeps_the_login_only_within_its_prefix() {
        let there = server(&["302 Found\r\nlocation: /more", "200 OK"]);
        let away = format!("307 Away\r\nlocation: {}team/x", there.url);
        let here = server(&["302 Found\r\nlocation: /team/y", &away]);
        let client = client(&here.url, "team/");
        client.bytes(&here.url.join("team/x").expect("below"), 10).await.expect("an answer");
        let (here, there) = (here.requests(), there.requests());
        assert!(here.len() == 2 && here.iter().all(|request| request.header("authorization") == SHOWN), "{here:?}");
        assert!(
            there.len() == 2 && there.iter().all(|request| request.header("authorization").is_empty()),
            "{there:?}"
        );
    }

    #[tokio::test]
    async fn a_refusal_names_the_login_that_was_used() {
        let server = server(&["401 Unauthorized", "401 Unauthorized"]);
        let (client, url) = (client(&server.url, "team/"), &server.url);
        let with = client.bytes(&url.join("team/x").expect("below"), 10).await.expect_err("refused");
        assert_eq!(
            with.hint().as_deref(),
            Some("the server rejected the login `Aladdin`; check its user and its password")
        );
        let without = client.bytes(&url.join("x").expect("below"), 10).await.expect_err("refused");
        let hint = without.hint().expect("a hint");
        assert!(
            hint.contains("no entry of `[[logins]]` matches the address")
                && hint.contains(&format!("`url = \"{url}\"`")),
            "{hint}"
        );
    }
}
