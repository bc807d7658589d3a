//! The initial state in its file format: principals, permissions and files. `state.json` is the default.

use std::{collections::BTreeMap, error::Error, path::Path};

use axum::body::Bytes;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::Deserialize;

/// The complete state.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct WorkspaceState {
    pub(crate) workspace_id: String,
    pub(crate) account_id: String,
    /// The Entra tenant.
    pub(crate) tenant: String,
    /// The Azure resource of the workspace.
    pub(crate) azure_resource_id: String,
    /// The lifetime of a token.
    #[serde(default = "one_hour")]
    pub(crate) token_seconds: i64,
    pub(crate) principals: Vec<Principal>,
    /// Groups by name, each with its parent groups.
    #[serde(default)]
    pub(crate) groups: BTreeMap<String, Vec<String>>,
    pub(crate) scopes: BTreeMap<String, Scope>,
    /// Files by complete path.
    #[serde(default)]
    pub(crate) dbfs: BTreeMap<String, Content>,
    #[serde(default)]
    pub(crate) volumes: BTreeMap<String, Content>,
    #[serde(default)]
    pub(crate) workspace: BTreeMap<String, Content>,
    /// Folders in Volumes and in the workspace with restricted access: path and principals.
    #[serde(default)]
    pub(crate) closed: BTreeMap<String, Vec<String>>,
}

/// A user or a service principal.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Principal {
    /// The user name. For a service principal, the application id, which is also the client id.
    pub(crate) name: String,
    pub(crate) id: String,
    pub(crate) display_name: String,
    #[serde(default)]
    pub(crate) groups: Vec<String>,
    /// Personal access tokens.
    #[serde(default)]
    pub(crate) tokens: Vec<String>,
    /// The client secret in the workspace.
    #[serde(default)]
    pub(crate) client_secret: Option<String>,
    /// The client secret in the tenant.
    #[serde(default)]
    pub(crate) azure_secret: Option<String>,
    /// The object id in the tenant. A managed identity has one and no secret.
    #[serde(default)]
    pub(crate) azure_object_id: Option<String>,
    /// The tokens of another issuer that authenticate this principal.
    #[serde(default)]
    pub(crate) federation: Option<Federation>,
}

/// Tokens of another issuer.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Federation {
    pub(crate) issuer: String,
    pub(crate) subject: String,
}

/// A scope.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Scope {
    /// The ACL: `READ`, `WRITE` or `MANAGE` by principal or group.
    #[serde(default)]
    pub(crate) acls: BTreeMap<String, Permission>,
    #[serde(default)]
    pub(crate) secrets: BTreeMap<String, Content>,
    /// The vault that contains the secrets.
    #[serde(default)]
    pub(crate) key_vault: Option<KeyVault>,
}

/// A Key Vault behind a scope.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct KeyVault {
    pub(crate) resource_id: String,
    pub(crate) dns_name: String,
    /// The reason why the vault refuses the workspace.
    #[serde(default)]
    pub(crate) refuses: Option<Refuses>,
}

/// A reason why a vault refuses the workspace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Refuses {
    /// The workspace has no access policy.
    Policy,
    /// The firewall blocks the address of the workspace.
    Firewall,
}

/// Permissions for a scope. Each includes the ones before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize, serde::Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum Permission {
    Read,
    Write,
    Manage,
}

/// Bytes in the file format: text, `{"base64": …}`, `{"file": PATH}` (relative to the state), or `{"size": N}` for N
/// reproducible bytes.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "Written")]
pub(crate) struct Content {
    pub(crate) bytes: Bytes,
    /// Read after the complete state was parsed.
    file: Option<String>,
    /// Milliseconds since 1970.
    pub(crate) modified: i64,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Written {
    Text(String),
    Other(Other),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Other {
    text: Option<String>,
    base64: Option<String>,
    file: Option<String>,
    size: Option<usize>,
    modified: Option<i64>,
}

/// The default time of the last change.
const MODIFIED: i64 = 1_760_000_000_000;

impl Content {
    /// Bytes with the time of their change.
    pub(crate) fn new(bytes: impl Into<Bytes>, modified: i64) -> Self {
        Self { bytes: bytes.into(), file: None, modified }
    }

    fn read(&mut self, folder: &Path) -> Result<(), Box<dyn Error>> {
        if let Some(file) = self.file.take() {
            let path = folder.join(file);
            self.bytes = std::fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))?.into();
        }
        Ok(())
    }
}

impl TryFrom<Written> for Content {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        let other = match written {
            Written::Text(text) => return Ok(Self::new(text, MODIFIED)),
            Written::Other(other) => other,
        };
        let modified = other.modified.unwrap_or(MODIFIED);
        let bytes = match (other.text, other.base64, other.size, &other.file) {
            (Some(text), None, None, None) => text.into_bytes(),
            (None, Some(text), None, None) => STANDARD.decode(text).map_err(|error| error.to_string())?,
            (None, None, Some(size), None) => filling(size),
            (None, None, None, Some(_)) => Vec::new(),
            _ => return Err("content is one of text, base64, file, size".into()),
        };
        Ok(Self { file: other.file, ..Self::new(bytes, modified) })
    }
}

/// Bytes that differ at each position, so that pieces in the wrong order are detected.
pub(crate) fn filling(size: usize) -> Vec<u8> {
    const BLOCK: usize = 512;
    let word = |index: usize| (index as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29).to_le_bytes();
    let mut bytes = Vec::with_capacity(size + BLOCK);
    for index in 0..size.div_ceil(BLOCK) {
        bytes.extend_from_slice(&word(index).repeat(BLOCK / 8));
    }
    bytes.truncate(size);
    bytes
}

fn one_hour() -> i64 {
    3600
}

/// Reads a state. Without a file, reads the default one.
pub(crate) fn load(path: Option<&Path>) -> Result<WorkspaceState, Box<dyn Error>> {
    let text = match path {
        Some(path) => std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?,
        None => include_str!("default_state.json").to_owned(),
    };
    let mut state: WorkspaceState = serde_json::from_str(&text)?;
    let folder = path.and_then(Path::parent).unwrap_or(Path::new("."));
    let secrets = state.scopes.values_mut().flat_map(|scope| scope.secrets.values_mut());
    let files = state.dbfs.values_mut().chain(state.volumes.values_mut()).chain(state.workspace.values_mut());
    for content in files.chain(secrets) {
        content.read(folder)?;
    }
    Ok(state)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_state_is_the_law_firms_with_five_scopes() {
        let state = load(None).expect("it is sound");
        assert_eq!(state.scopes.keys().collect::<Vec<_>>(), ["admin", "consumer", "criminal", "family", "people"]);
        for principal in &state.principals {
            for group in &principal.groups {
                assert!(state.groups.contains_key(group), "{}: {group}", principal.name);
            }
        }
    }

    #[test]
    fn filling_has_its_size_and_does_not_repeat_page_by_page() {
        let bytes = filling(3 << 20);
        assert_eq!(bytes.len(), 3 << 20);
        assert_ne!(bytes[..1 << 20], bytes[1 << 20..2 << 20]);
    }
}
