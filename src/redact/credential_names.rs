//! Names and texts that suggest a credential.

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
/// Contains a credential, or the path of a file with one. Never passed to a program; registered as a secret if it is
/// not a path.
pub(super) const KEY_OR_PATH: &str = "GOOGLE_CREDENTIALS";
/// Parts of variable names that suggest a secret.
const SUSPICIOUS: [&str; 6] = ["TOKEN", "SECRET", "PASSWORD", "PASSWD", "CREDENTIAL", "PRIVATE_KEY"];
/// Further parts of names of variables that a profile must not look up.
const KEYS: [&str; 6] = ["API_KEY", "APIKEY", "ACCESS_KEY", "LICENSE_KEY", "PASSPHRASE", "_PWD"];
/// Names of texts in a secret, beside those of variables.
const NAMES: [&str; 8] = ["pass", "pwd", "pin", "key", "auth", "passcode", "accountkey", "sharedaccesskey"];
/// A user name of an address with at least this length may be a token.
const MIN_TOKEN_LENGTH: usize = 8;

/// Whether a cloud client takes a credential from this variable. No program gets such a variable.
pub fn holds_credential(name: &str) -> bool {
    name == KEY_OR_PATH || CREDENTIALS.contains(&name)
}

/// Whether the name of a variable suggests that it holds a credential.
pub fn suggests_credential(name: &str) -> bool {
    let upper = name.to_ascii_uppercase();
    let is_key = |part: &&str| upper.contains(*part);
    holds_credential(name) || SUSPICIOUS.iter().any(is_key) || KEYS.iter().any(is_key)
}

/// Whether the name of a text in a secret suggests that it is a credential.
pub(super) fn names_credential(name: &str) -> bool {
    let name = name.trim().trim_matches(['"', '\'']);
    suggests_credential(name) || NAMES.iter().any(|known| name.eq_ignore_ascii_case(known))
}

/// Whether a variable of this name probably holds a credential.
pub(super) fn is_guessed(name: &str) -> bool {
    let upper = name.to_ascii_uppercase();
    SUSPICIOUS.iter().any(|part| upper.contains(part))
}

/// Whether the official clients of the clouds take a credential from the variable of this name.
pub(super) fn is_known(name: &str) -> bool {
    CREDENTIALS.contains(&name)
}

/// Beginnings of the tokens of common services, and of keys.
const TOKENS: [&str; 25] = [
    "dapi",
    "dkea",
    "ghp_",
    "gho_",
    "ghu_",
    "ghs_",
    "ghr_",
    "github_pat_",
    "glpat-",
    "xoxb-",
    "xoxp-",
    "xoxa-",
    "xoxs-",
    "AKIA",
    "ASIA",
    "AIza",
    "eyJ",
    "sk-",
    "pypi-",
    "npm_",
    "hf_",
    "hvs.",
    "SG.",
    "Bearer ",
    "Basic ",
];
/// Parts of connection strings and keys.
const MARKS: [&str; 6] = ["PRIVATE KEY-----", "AccountKey=", "SharedAccessKey=", "?sig=", "&sig=", "assword="];

/// Whether a text looks like a credential: a token of a known service, a private key or a connection string.
pub(super) fn looks_like_credential(text: &str) -> bool {
    const MIN_LENGTH: usize = 12;
    let text = text.trim();
    let is_token = |begin: &str| {
        text.strip_prefix(begin).is_some_and(|rest| {
            rest.len() >= MIN_LENGTH && rest.chars().all(|c| c.is_ascii_alphanumeric() || "_-.=+/".contains(c))
        })
    };
    TOKENS.iter().any(|begin| is_token(begin)) || MARKS.iter().any(|mark| text.contains(mark))
}

/// Passwords of addresses in a text: the part between `:` and `@` before the host. A long user name without a password
/// may be a token.
pub(super) fn passwords(text: &str) -> impl Iterator<Item = &str> {
    text.split("://").skip(1).filter_map(|address| {
        let end = address.find(['/', ' ', '?', '#', '"', '\'']).unwrap_or(address.len());
        let (user, _) = address[..end].rsplit_once('@')?;
        let password = user.split_once(':').map(|(_, password)| password);
        password.or(Some(user).filter(|user| user.len() >= MIN_TOKEN_LENGTH))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_credentials_are_known_or_contain_a_known_part() {
        for name in ["IDENTITY_HEADER", KEY_OR_PATH, "my_token", "Db_Password", "LICENSE_KEY", "MYSQL_PWD"] {
            assert!(suggests_credential(name), "{name}");
        }
        for name in ["my_token", " \"pin\" ", "'Pwd'", "AccountKey"] {
            assert!(names_credential(name), "{name}");
        }
        for name in ["HOME", "KEYBOARD", "pinned", "AWS_REGION", ""] {
            assert!(!suggests_credential(name) && !names_credential(name) && !is_guessed(name), "{name}");
        }
        assert!(is_guessed("my_token") && !is_guessed("LICENSE_KEY"), "parts of a name");
        assert!(is_known("IDENTITY_HEADER") && !is_known("MY_TOKEN") && !is_known(KEY_OR_PATH), "whole names");
        assert!(!holds_credential("MY_TOKEN"));
    }

    #[test]
    fn tokens_keys_and_connection_strings_look_like_credentials() {
        for text in [
            "dapi0123456789ab",
            " sk-0123_456-789.ab\n",
            "Bearer abc+/=abc+/=",
            "x\n-----BEGIN RSA PRIVATE KEY-----\n",
            "Server=db.example.org;Password=x",
            "https://x.blob.example.org/c?sig=x",
        ] {
            assert!(looks_like_credential(text), "{text}");
        }
        for text in ["dapi0123456789a", "sk-learn, and other words", "0123456789abcdef", "a text of several words", ""]
        {
            assert!(!looks_like_credential(text), "{text}");
        }
    }

    #[test]
    fn a_password_or_a_long_user_name_of_an_address_is_a_password() {
        for (text, wanted) in [
            ("https://reader:pass@x.example.org/a", &["pass"][..]),
            ("https://reader:p@ss@x.example.org", &["p@ss"]),
            ("https://12345678@x.example.org/ git+https://1234567@y.example.org/", &["12345678"]),
            ("https://x.example.org/?mail=reader:pass@y.example.org", &[]),
            ("reader:pass@x.example.org", &[]),
        ] {
            assert_eq!(passwords(text).collect::<Vec<_>>(), wanted, "{text}");
        }
    }
}
