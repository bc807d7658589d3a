//! Secret scopes of a Databricks workspace, including scopes backed by an Azure Key Vault.
//!
//! <https://docs.databricks.com/api/workspace/secrets>. If an error of the workspace has several possible causes,
//! further requests distinguish them: for the keys of the scope, or for the identity of the node.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use jiff::Timestamp;
use secrecy::zeroize::Zeroizing;
use serde::{Deserialize, Serialize};

use crate::{
    cloud::{
        CloudError, CloudErrorKind, Clouds,
        databricks::{ApiError, Workspace},
    },
    diagnostic::nearest,
    redact::Secret,
};

const POLICY: &str = "allow `AzureDatabricks` (application 2ff814a6-3304-4ab8-85cb-cd0e6f879c1d) to get and list secrets in the \
                      vault's access policy or roles";
const FIREWALL: &str = "allow trusted Microsoft services in the vault's firewall";

/// The maximum number of names in a hint.
const MAX_NAMES: usize = 10;

/// A key of a scope, without its value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Key {
    /// The name.
    pub name: String,
    /// When its value was last set.
    pub changed: Option<Timestamp>,
}

/// A scope. All users of the workspace can see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Scope {
    /// The name.
    pub name: String,
    /// The backend with its secrets.
    pub backend: Backend,
}

/// The backend of a scope.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Backend {
    /// Databricks.
    Databricks,
    /// An Azure Key Vault. The scope contains all its secrets.
    KeyVault {
        /// The address of the vault.
        vault: Option<String>,
    },
    /// A backend that nodeagent does not know.
    Other(String),
}

/// Fetches the value of a secret.
pub(super) async fn fetch(clouds: &Clouds, scope: &str, key: &str) -> Result<Secret, CloudError> {
    let workspace = clouds.databricks().await?;
    let answer = match workspace.get_answer("/api/2.0/secrets/get", &[("scope", scope), ("key", key)]).await {
        Ok(answer) => answer,
        Err(api_error) => return Err(FailureContext { workspace, scope }.fetch_error(key, api_error).await),
    };
    let malformed = |reason: &str| {
        let message = format!("`{}` returned an answer that is not the secret `{scope}/{key}`", workspace.host());
        CloudError::new(CloudErrorKind::Malformed, message)
            .detail(reason)
            .hint("check that `DATABRICKS_HOST` is a workspace")
    };
    let Value { value: text } = answer.json().map_err(|_| malformed("not the expected JSON"))?;
    // The value is always base64. This text is not registered as a secret: the redaction knows the encodings of a
    // value.
    let text = Zeroizing::new(text);
    let bytes = STANDARD.decode(&*text).map_err(|_| malformed("the value is not base64"))?;
    Ok(Secret::new(bytes))
}

/// The keys of a scope, sorted by name. Listing requires the same permission as reading values, so it tests the
/// permission without fetching a value.
pub async fn list(clouds: &Clouds, scope: &str) -> Result<Vec<Key>, CloudError> {
    let workspace = clouds.databricks().await?;
    let failed = FailureContext { workspace, scope };
    match keys(workspace, scope).await {
        Ok(keys) => Ok(keys),
        Err(error) => Err(failed.list_error(error).await),
    }
}

/// All scopes of the workspace, sorted by name. All users of the workspace can see them.
pub async fn scopes(clouds: &Clouds) -> Result<Vec<Scope>, CloudError> {
    all_scopes(clouds.databricks().await?).await
}

#[derive(Deserialize)]
struct Value {
    value: String,
}

async fn keys(workspace: &Workspace, scope: &str) -> Result<Vec<Key>, CloudError> {
    #[derive(Deserialize)]
    struct List {
        #[serde(default)]
        secrets: Vec<Item>,
    }
    #[derive(Deserialize)]
    struct Item {
        key: String,
        last_updated_timestamp: Option<i64>,
    }
    let found: List = workspace.get("/api/2.0/secrets/list", &[("scope", scope)]).await?;
    let changed = |at: Option<i64>| Timestamp::from_millisecond(at?).ok();
    let key = |item: Item| Key { name: item.key, changed: changed(item.last_updated_timestamp) };
    let mut keys: Vec<Key> = found.secrets.into_iter().map(key).collect();
    keys.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(keys)
}

async fn all_scopes(workspace: &Workspace) -> Result<Vec<Scope>, CloudError> {
    #[derive(Deserialize)]
    struct List {
        #[serde(default)]
        scopes: Vec<Item>,
    }
    #[derive(Deserialize)]
    struct Item {
        name: String,
        backend_type: Option<String>,
        keyvault_metadata: Option<Vault>,
    }
    #[derive(Deserialize)]
    struct Vault {
        dns_name: Option<String>,
    }
    let backend = |kind: Option<String>, vault: Option<Vault>| match kind.as_deref() {
        None | Some("DATABRICKS") => Backend::Databricks,
        Some("AZURE_KEYVAULT") => Backend::KeyVault { vault: vault.and_then(|vault| vault.dns_name) },
        Some(other) => Backend::Other(other.to_owned()),
    };
    let found: List = workspace.get("/api/2.0/secrets/scopes/list", &[]).await?;
    let scope = |item: Item| Scope { name: item.name, backend: backend(item.backend_type, item.keyvault_metadata) };
    let mut scopes: Vec<Scope> = found.scopes.into_iter().map(scope).collect();
    scopes.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(scopes)
}

/// Finds the cause of a failed request for a scope.
struct FailureContext<'a> {
    workspace: &'a Workspace,
    scope: &'a str,
}

impl FailureContext<'_> {
    async fn fetch_error(&self, key: &str, api_error: ApiError) -> CloudError {
        let (scope, host) = (self.scope, self.workspace.host());
        let ApiError { error, code } = api_error;
        match error.kind {
            CloudErrorKind::Absent => self.no_key(key, error).await,
            CloudErrorKind::Invalid if code.as_deref() == Some("BAD_REQUEST") => {
                let message = format!("`{host}` returns `{scope}/{key}` to {} in notebooks only", self.user().await);
                CloudError { message, ..error }.hint(format!(
                    "use a service principal; or set the environment variable `NAME={{{{secrets/{scope}/{key}}}}}` of the \
                     cluster, and use the source `env`"
                ))
            }
            CloudErrorKind::Invalid => CloudError {
                message: format!("`{host}` does not accept the name `{scope}/{key}`"),
                ..error
            }
            .hint(
                "use letters, digits, `-`, `_`, `.` and at most 128 characters; in a scope backed by a Key Vault, only \
                 letters, digits and `-`",
            ),
            _ => self.list_error(error).await,
        }
    }

    async fn list_error(&self, error: CloudError) -> CloudError {
        let (scope, host) = (self.scope, self.workspace.host());
        match error.kind {
            CloudErrorKind::Absent => self.no_scope(error).await,
            CloudErrorKind::Denied if error.hint.is_none() => {
                let user = self.user().await;
                CloudError { message: format!("{user} may not read the scope `{scope}` of `{host}`"), ..error }.hint(format!(
                    "ask the owner of the scope for READ: `databricks secrets put-acl {scope} PRINCIPAL READ`, with one of \
                     your groups as the principal"
                ))
            }
            CloudErrorKind::BackendRefuses => {
                let message =
                    format!("the Key Vault behind the scope `{scope}` of `{host}` refuses Databricks, not you");
                let closed =
                    error.detail.as_deref().is_some_and(|detail| detail.contains("Client address is not authorized"));
                CloudError { message, ..error }.hint(if closed { FIREWALL } else { POLICY })
            }
            _ => error,
        }
    }

    /// The workspace has the same error for a missing scope and a missing key.
    async fn no_key(&self, key: &str, error: CloudError) -> CloudError {
        let (scope, host) = (self.scope, self.workspace.host());
        let keys = match keys(self.workspace, scope).await {
            Ok(keys) => keys,
            Err(failed) if failed.kind == CloudErrorKind::Absent => return self.no_scope(error).await,
            Err(failed) if failed.kind == CloudErrorKind::Denied => return self.list_error(failed).await,
            Err(_) => {
                let message = format!("there is no scope `{scope}` in `{host}`, or no key `{key}` in it");
                return CloudError { message, ..error };
            }
        };
        let names: Vec<&str> = keys.iter().map(|key| key.name.as_str()).collect();
        let hint = suggestion(key, &names, "key").unwrap_or_else(|| "the scope has no keys; add it there".to_owned());
        CloudError { message: format!("there is no key `{key}` in the scope `{scope}` of `{host}`"), ..error }
            .hint(hint)
    }

    async fn no_scope(&self, error: CloudError) -> CloudError {
        let (scope, host) = (self.scope, self.workspace.host());
        let scopes = all_scopes(self.workspace).await.unwrap_or_default();
        let names: Vec<&str> = scopes.iter().map(|scope| scope.name.as_str()).collect();
        let hint = suggestion(scope, &names, "scope").unwrap_or_else(|| "check `DATABRICKS_HOST`".to_owned());
        CloudError { message: format!("there is no scope `{scope}` in `{host}`"), ..error }.hint(hint)
    }

    /// The user that the workspace authenticates the node as, or the authentication method.
    async fn user(&self) -> String {
        match self.workspace.me().await {
            Ok(me) => match me.display_name.filter(|name| *name != me.user_name) {
                Some(name) => format!("`{name}` (`{}`)", me.user_name),
                None => format!("`{}`", me.user_name),
            },
            Err(_) => format!("this node ({})", self.workspace.auth_type()),
        }
    }
}

/// Suggests the most similar name, else lists the names.
fn suggestion(wanted: &str, names: &[&str], what: &str) -> Option<String> {
    if let Some(name) = nearest(wanted, names.iter().copied()) {
        return Some(format!("did you mean `{name}`?"));
    }
    let shown: Vec<String> = names.iter().take(MAX_NAMES).map(|name| format!("`{name}`")).collect();
    let more = names.len().saturating_sub(MAX_NAMES);
    let rest = if more > 0 { format!(" and {more} more") } else { String::new() };
    (!shown.is_empty()).then(|| format!("its {what}s are {}{rest}", shown.join(", ")))
}

#[cfg(test)]
mod tests;
