//! Rules of `[[logins]]`: the addresses, the user name and the source of the password.

use std::collections::BTreeSet;

use super::written::{self, Written};
use crate::{
    grammar::names,
    profile::{Entry, Login, NO_CREDENTIALS, Rules, place},
    redact::{UrlPrefix, UrlPrefixError},
    secrets::{Address, SecretScope},
};

impl Rules<'_> {
    /// Whether the profile has a source for passwords of logins. Another rule reports missing values of a source.
    pub(super) fn passwords_have_a_scope(&mut self, written: &Written) -> bool {
        let secrets = &written.secrets;
        let named = secrets.has_source_keys() || secrets.scope.is_some() || self.document.has(&place!["secrets"]);
        if !named {
            self.mistake(
                &place!["logins", 0, "key"],
                "the profile does not say where the passwords of its logins are",
                "add `[secrets]` with a `source` and a `scope`",
            );
        }
        named
    }

    pub(super) fn logins(
        &mut self,
        raw: &[written::Login],
        place: Option<&SecretScope>,
        withheld: &mut BTreeSet<String>,
    ) -> Vec<Entry<Login>> {
        let logins = raw.iter().enumerate();
        logins.filter_map(|(index, login)| self.login(index, login, place, withheld)).collect()
    }

    fn login(
        &mut self,
        index: usize,
        raw: &written::Login,
        place: Option<&SecretScope>,
        withheld: &mut BTreeSet<String>,
    ) -> Option<Entry<Login>> {
        let at = |key: &str| place!["logins", index, key];
        let before = self.found.len();
        let url_prefix = self.expanded(&at("url"), &raw.url).and_then(|url| match UrlPrefix::parse(&url) {
            Ok(url_prefix) => Some(url_prefix),
            Err(why) => {
                // An address with a password in it is not repeated.
                let message = match why {
                    UrlPrefixError::HoldsCredentials => why.to_string(),
                    _ => format!("`{url}` cannot have a login: {why}"),
                };
                self.mistake(&at("url"), message, remedy(why));
                None
            }
        });
        let user = self.expanded(&at("user"), &raw.user)?;
        if !names::is_login(&user) || user.contains(':') {
            let hint = "one word of letters, digits and signs, without a colon or a backslash, and with no quote or `#` at its beginning";
            self.mistake(&at("user"), format!("`{user}` is not the user of a login"), hint);
        }
        let key = self.expanded(&at("key"), &raw.key)?;
        if !names::is_secret(&key) {
            self.mistake(&at("key"), format!("`{key}` is not a key of a secret"), "letters, digits and `_.@-`");
        }
        let place = place?;
        let from = self.address(&place!["logins", index], raw.into(), place, &key);
        if let Some(Address::Variable(variable)) = &from {
            withheld.insert(variable.clone());
        }
        let counts = self.counts(&place!["logins", index], raw.when.as_ref());
        if self.found.len() > before || !counts {
            return None;
        }
        let value = Login { url_prefix: url_prefix?, user, scope: place.scope.clone(), key, from: from? };
        Some(Entry::plain(value, self.origin(&at("url"))))
    }
}

fn remedy(why: UrlPrefixError) -> &'static str {
    match why {
        UrlPrefixError::NotHttps => {
            "write it as `https://pypi.example.org/`, with a path where only a part of the server counts"
        }
        UrlPrefixError::PlainText => "use `https://`; only this machine itself may be asked by `http://`",
        UrlPrefixError::HoldsCredentials => NO_CREDENTIALS,
        UrlPrefixError::HasQuery => "name the server, with a path where only a part of it counts",
    }
}
