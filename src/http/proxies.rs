//! The proxies that the variables of a run name, in place of those of the environment of nodeagent.

use std::{collections::BTreeMap, fmt};

use reqwest::{ClientBuilder, NoProxy, Proxy};

use super::error::cause_chain;

/// Proxies by the scheme of the address. `Debug` does not show them, because they may contain a password.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Proxies {
    http: Option<String>,
    https: Option<String>,
    all: Option<String>,
    except: Option<String>,
}

impl fmt::Debug for Proxies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Proxies(…)")
    }
}

impl Proxies {
    /// The proxies of a run. `None` if the run changes no variable of a proxy.
    pub(super) fn of(run: &BTreeMap<String, Option<String>>, present: &BTreeMap<String, String>) -> Option<Self> {
        const NAMES: [[&str; 2]; 4] = [
            ["HTTP_PROXY", "http_proxy"],
            ["HTTPS_PROXY", "https_proxy"],
            ["ALL_PROXY", "all_proxy"],
            ["NO_PROXY", "no_proxy"],
        ];
        if !NAMES.iter().flatten().any(|name| run.contains_key(*name)) {
            return None;
        }
        let value = |names: [&str; 2]| {
            let set = names.iter().find_map(|name| run.get(*name)?.as_ref());
            let kept = || names.iter().filter(|name| !run.contains_key(**name)).find_map(|name| present.get(*name));
            set.or_else(kept).filter(|value| !value.is_empty()).cloned()
        };
        let [http, https, all, except] = NAMES.map(value);
        Some(Self { http, https, all, except })
    }

    /// A client that uses these proxies only. The error names the wrong address without its password.
    pub(super) fn apply(&self, builder: ClientBuilder) -> Result<ClientBuilder, String> {
        let except = || self.except.as_deref().and_then(NoProxy::from_string);
        let mut builder = builder.no_proxy();
        let proxies = [
            self.http.as_deref().map(Proxy::http),
            self.https.as_deref().map(Proxy::https),
            self.all.as_deref().map(Proxy::all),
        ];
        for proxy in proxies.into_iter().flatten() {
            let proxy = proxy.map_err(|error| format!("the address of the proxy is wrong: {}", cause_chain(&error)))?;
            builder = builder.proxy(proxy.no_proxy(except()));
        }
        Ok(builder)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(run: &[(&str, Option<&str>)], present: &[(&str, &str)]) -> Option<Proxies> {
        let run = run.iter().map(|(name, value)| ((*name).to_owned(), value.map(str::to_owned))).collect();
        let present = present.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Proxies::of(&run, &present)
    }

    #[test]
    fn variables_of_the_run_precede_those_of_the_process() {
        let present = [("HTTPS_PROXY", "http://old:1"), ("NO_PROXY", "localhost"), ("HTTP_PROXY", "http://kept:1")];
        assert_eq!(of(&[("HF_HOME", Some("/x"))], &present), None);
        let proxies = of(&[("https_proxy", Some("http://new:2")), ("NO_PROXY", None)], &present).expect("a change");
        let expected = [Some("http://kept:1"), Some("http://new:2"), None, None];
        let found = [&proxies.http, &proxies.https, &proxies.all, &proxies.except].map(|value| value.as_deref());
        assert_eq!(found, expected);
        assert!(proxies.apply(ClientBuilder::new()).is_ok());
        assert_eq!(format!("{proxies:?}"), "Proxies(…)");
    }

    #[test]
    fn an_address_that_is_no_address_is_an_error() {
        let proxies = of(&[("http_proxy", Some("http://[nonsense"))], &[]).expect("a change");
        assert!(proxies.apply(ClientBuilder::new()).is_err());
    }
}
