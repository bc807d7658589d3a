//! Environment variables with credentials. They are registered as secrets at the start, and removed from the
//! environment of every child.

use std::collections::BTreeMap;

use super::Secret;

/// Variables from which the official clients of the clouds take a credential. nodeagent calls the clouds itself, so no
/// package tool needs them.
const CREDENTIALS: [&str; 28] = [
    "DATABRICKS_TOKEN",
    "DATABRICKS_PASSWORD",
    "DATABRICKS_CLIENT_SECRET",
    "DATABRICKS_OIDC_TOKEN",
    "DATABRICKS_METADATA_SERVICE_URL",
    "ARM_CLIENT_SECRET",
    "ARM_OIDC_TOKEN",
    "AZURE_CLIENT_SECRET",
    "AZURE_CLIENT_CERTIFICATE_PASSWORD",
    "AZURE_PASSWORD",
    "IDENTITY_HEADER",
    "ACTIONS_ID_TOKEN_REQUEST_TOKEN",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN",
    "AZURE_STORAGE_ACCOUNT_KEY",
    "AZURE_STORAGE_ACCESS_KEY",
    "AZURE_STORAGE_MASTER_KEY",
    "AZURE_STORAGE_KEY",
    "AZURE_STORAGE_CONNECTION_STRING",
    "AZURE_STORAGE_SAS_KEY",
    "AZURE_STORAGE_SAS_TOKEN",
    "AZURE_STORAGE_TOKEN",
    "AZURE_STORAGE_CLIENT_SECRET",
    "AZURE_STORAGE_ENCRYPTION_KEY",
    "AZURE_FABRIC_SESSION_TOKEN",
    "GOOGLE_SERVICE_ACCOUNT_KEY",
    "GOOGLE_BEARER_TOKEN",
];
/// Contains a credential, or the path of a file with one. Always removed from children; registered as a secret if it is
/// not a path.
const KEY_OR_PATH: &str = "GOOGLE_CREDENTIALS";
/// Parts of variable names that suggest a secret.
const SUSPICIOUS: [&str; 6] = ["TOKEN", "SECRET", "PASSWORD", "PASSWD", "CREDENTIAL", "PRIVATE_KEY"];
/// Further parts of names of variables that a profile must not look up.
const KEYS: [&str; 6] = ["API_KEY", "APIKEY", "ACCESS_KEY", "LICENSE_KEY", "PASSPHRASE", "_PWD"];
/// A shorter value of a variable with a suspicious name, such as `true`, is not registered.
const MIN_GUESSED_LENGTH: usize = 8;

/// Whether a cloud client takes a credential from this variable. Such variables are removed from the environment of
/// every child.
pub fn holds_credential(name: &str) -> bool {
    name == KEY_OR_PATH || CREDENTIALS.contains(&name)
}

/// Whether the name of a variable suggests that it holds a credential.
pub fn suggests_credential(name: &str) -> bool {
    let upper = name.to_ascii_uppercase();
    let is_key = |part: &&str| upper.contains(*part);
    holds_credential(name) || SUSPICIOUS.iter().any(is_key) || KEYS.iter().any(is_key)
}

/// Registers the credentials among these variables: those of the clouds, those with a suspicious name, and passwords in
/// addresses.
pub fn learn_environment(variables: &BTreeMap<String, String>) {
    for (name, value) in variables {
        let upper = name.to_ascii_uppercase();
        let guessed = SUSPICIOUS.iter().any(|part| upper.contains(part)) && value.len() >= MIN_GUESSED_LENGTH;
        // A path names a file with the secret. An unresolved reference is not a secret.
        let names_one = value.starts_with('/') || value.contains("{{") || value.contains("://");
        // A Google key is JSON that contains addresses.
        let names_one = names_one && !(name == KEY_OR_PATH && value.trim_start().starts_with('{'));
        if CREDENTIALS.contains(&name.as_str()) || (guessed && !names_one) {
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

/// Passwords of addresses in a text: the part between `:` and `@` before the host. A long user name without a password
/// may be a token.
fn passwords(text: &str) -> impl Iterator<Item = &str> {
    text.split("://").skip(1).filter_map(|address| {
        let end = address.find(['/', ' ', '?', '#', '"', '\'']).unwrap_or(address.len());
        let (user, _) = address[..end].rsplit_once('@')?;
        let password = user.split_once(':').map(|(_, password)| password);
        password.or(Some(user).filter(|user| user.len() >= MIN_GUESSED_LENGTH))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::redact::text;

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
        ] {
            assert_eq!(text(plain), plain);
        }
        assert!(["AWS_SECRET_ACCESS_KEY", "GOOGLE_CREDENTIALS"].into_iter().all(holds_credential));
        assert!(!holds_credential("AWS_REGION"));
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
