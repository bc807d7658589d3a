//! Basic authentication for downloads.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use reqwest::header::HeaderValue;

use crate::redact::{Secret, UrlPrefix};

/// User name and password for all addresses with a prefix.
#[derive(Debug, Clone)]
pub struct BasicAuth {
    pub(super) prefix: UrlPrefix,
    authorization: Secret,
    /// The name of the login in messages. Contains no part of the password.
    pub(super) name: String,
}

impl BasicAuth {
    /// A login for the `Basic` scheme (RFC 7617). `name` is its name in messages.
    pub fn new(prefix: UrlPrefix, user: &str, password: &Secret, name: impl Into<String>) -> Self {
        let both = Secret::new([user.as_bytes(), b":", password.reveal()].concat());
        let authorization = Secret::from(format!("Basic {}", BASE64_STANDARD.encode(both.reveal())));
        Self { prefix, authorization, name: name.into() }
    }

    pub(super) fn header(&self) -> HeaderValue {
        let mut value = HeaderValue::from_bytes(self.authorization.reveal()).expect("base64 is text");
        value.set_sensitive(true);
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_of_a_login_does_not_contain_its_password() {
        let prefix = UrlPrefix::parse("https://x.example/").expect("a URL prefix");
        let login = BasicAuth::new(prefix, "reader", &Secret::from("hunter2".to_owned()), "`reader`");
        let shown = format!("{login:?}");
        assert!(!shown.contains("hunter2") && !shown.contains("Basic "), "{shown}");
    }
}
