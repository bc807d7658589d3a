//! Environment variables with credentials. They are registered as secrets at the start.

use std::collections::BTreeMap;

use super::{
    Secret,
    credential_names::{KEY_OR_PATH, is_guessed, is_known, passwords},
};

/// A shorter value of a variable with a suspicious name, such as `true`, is not registered.
const MIN_GUESSED_LENGTH: usize = 8;

/// Registers the credentials among these variables: those of the clouds, those with a suspicious name, and passwords in
/// addresses.
pub fn learn_environment(variables: &BTreeMap<String, String>) {
    for (name, value) in variables {
        let guessed = is_guessed(name) && value.len() >= MIN_GUESSED_LENGTH;
        // A path names a file with the secret. An unresolved reference is not a secret.
        let names_one = value.starts_with('/') || value.contains("{{") || value.contains("://");
        // A Google key is JSON that contains addresses.
        let names_one = names_one && !(name == KEY_OR_PATH && value.trim_start().starts_with('{'));
        if is_known(name) || (guessed && !names_one) {
            drop(Secret::from(value.clone()));
        }
        if let Some(key) = private_key(value) {
            drop(Secret::from(key));
        }
        passwords(value).for_each(|password| drop(Secret::from(password.to_owned())));
    }
}

/// The private key in the JSON of a Google service account.
fn private_key(text: &str) -> Option<String> {
    let text = Some(text).filter(|text| text.trim_start().starts_with('{'))?;
    let account: serde_json::Value = serde_json::from_str(text).ok()?;
    account.get("private_key")?.as_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::redact::{credential_names::holds_credential, forget, text};

    #[test]
    fn credentials_in_the_environment_are_redacted_and_settings_are_not() {
        let variables = [
            ("DATABRICKS_TOKEN", "dapi-4711"),
            ("FAMILY_TOKEN", "token-of-family"),
            (
                "PIP_INDEX_URL",
                "https://reader:pass-of-reader@pypi.example.org/simple https://key-alone@x.example.org/ https://git@y.example.org",
            ),
            ("USE_TOKEN", "true"),
            ("AWS_WEB_IDENTITY_TOKEN_FILE", "/var/run/token"),
            ("DB_PASSWORD", "{{secrets/family/db}}"),
            ("GOOGLE_CREDENTIALS", "/home/somebody/google.json"),
            ("HOME", "/home/somebody"),
            ("EDITOR_COMMAND", "vim-with-options"),
            ("TOKEN_SERVICE", "https://tokens.example.org/"),
            ("DB_CREDENTIALS", "{\"from\": \"https://vault.example.org\"}"),
            ("OTHER", "{\"private_key\": 4711}"),
        ];
        let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
        learn_environment(&variables.into());
        for secret in ["dapi-4711", "token-of-family", "pass-of-reader", "key-alone"] {
            assert_eq!(text(&format!("x {secret} y")), "x [redacted] y");
        }
        for plain in [
            "true",
            "/var/run/token",
            "{{secrets/family/db}}",
            "/home/somebody",
            "/home/somebody/google.json",
            "https://pypi.example.org/simple",
            "vim-with-options",
            "https://tokens.example.org/",
            "{\"from\": \"https://vault.example.org\"}",
            "{\"private_key\": 4711}",
        ] {
            assert_eq!(text(plain), plain);
        }
        assert!(["AWS_SECRET_ACCESS_KEY", "GOOGLE_CREDENTIALS"].into_iter().all(holds_credential));
        assert!(!holds_credential("AWS_REGION"));
    }

    #[test]
    fn a_google_key_is_redacted_although_it_contains_addresses() {
        let key = "{\"private_key\": \"key-of-google\", \"token_uri\": \"https://oauth2.example.org/token\"}";
        learn_environment(&[("GOOGLE_CREDENTIALS".to_owned(), key.to_owned())].into());
        assert_eq!(text(key), "[redacted]");
        forget();
        learn_environment(&[("KEY_OF_GOOGLE".to_owned(), key.to_owned())].into());
        assert_eq!(text(key), key.replace("key-of-google", "[redacted]"), "only its private part");
    }

    #[test]
    fn keys_of_object_stores_are_credentials_and_their_names_are_not() {
        let keys = [
            ("AZURE_STORAGE_ACCOUNT_KEY", "a2V5LW9mLXN0b3Jl"),
            ("GOOGLE_SERVICE_ACCOUNT_KEY", "{\"private_key\":\"-----BEGIN\\nkey-of-google\\n\"}"),
        ];
        assert!(keys.iter().all(|(name, _)| holds_credential(name)));
        learn_environment(&keys.map(|(name, value)| (name.to_owned(), value.to_owned())).into());
        let alone = "-----BEGIN\nkey-of-google";
        assert_eq!(text(&format!("x a2V5LW9mLXN0b3Jl {} {alone}", keys[1].1)), "x [redacted] [redacted] [redacted]");
        for name in [
            "AZURE_STORAGE_ACCOUNT_NAME",
            "AZURE_STORAGE_ENDPOINT",
            "GOOGLE_BASE_URL",
            "GOOGLE_APPLICATION_CREDENTIALS",
        ] {
            assert!(!holds_credential(name), "{name}");
        }
    }
}
