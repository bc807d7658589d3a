//! Scopes backed by an Azure Key Vault, and the errors of a vault, as the workspace wraps them.

use std::sync::Arc;

use axum::{Json, Router, extract::State, routing::post};
use serde::Deserialize;
use serde_json::json;

use crate::{
    answer::{Answer, Refusal},
    parameters::JsonBody,
    server::{AZURE_DATABRICKS, Server},
    workspace_state::{KeyVault, Refuses, Scope},
};

pub(crate) fn routes() -> Router<Arc<Server>> {
    Router::new().route("/_vault", post(set))
}

#[derive(Deserialize)]
struct Set {
    scope: String,
    refuses: Option<Refuses>,
}

/// Makes a vault refuse or accept the workspace, for tests.
async fn set(State(server): State<Arc<Server>>, JsonBody(set): JsonBody<Set>) -> Answer {
    let mut state = server.state();
    let vault = state.scopes.get_mut(&set.scope).and_then(|scope| scope.key_vault.as_mut());
    vault.ok_or_else(|| Refusal::absent("there is no vault behind that scope"))?.refuses = set.refuses;
    Ok(Json(json!({})))
}

/// Whether the workspace can read a name in the vault. An empty name stands for the list.
pub(crate) fn admits(vault: &KeyVault, tenant: &str, name: &str) -> Result<(), Refusal> {
    let short = vault.dns_name.trim_start_matches("https://").split('.').next().unwrap_or_default();
    let caller = format!(
        "appid={AZURE_DATABRICKS};oid=00000000-0000-4000-8000-0000000000db;iss=https://sts.windows.net/{tenant}/"
    );
    let what = if name.is_empty() { "list" } else { "get" };
    let inner = match vault.refuses {
        None if name.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '-') => return Ok(()),
        None => {
            let why = format!("The request URI contains an invalid name: {name}");
            let wrapped = json!({ "error": { "code": "BadParameter", "message": why } });
            let message = format!(
                "Invalid request to the KeyVault {}. Wrapped Message: Status code 400, {wrapped}",
                vault.dns_name
            );
            return Err(Refusal::invalid(message));
        }
        Some(Refuses::Policy) => json!({ "error": {
            "code": "Forbidden",
            "message": format!(
                "The user, group or application '{caller}' does not have secrets {what} permission on key vault \
                 '{short};location=australiaeast'. For help resolving this issue, please see \
                 https://go.microsoft.com/fwlink/?linkid=2125287"
            ),
            "innererror": { "code": "ForbiddenByPolicy" },
        } }),
        Some(Refuses::Firewall) => json!({ "error": {
            "code": "Forbidden",
            "message": format!(
                "Client address is not authorized and caller is not a trusted service. Client address: 203.0.113.7 \
                 Caller: {caller} Vault: {short};location=australiaeast"
            ),
            "innererror": { "code": "ForbiddenByFirewall" },
        } }),
    };
    Err(Refusal::denied(format!(
        "Invalid permissions on the specified KeyVault {}. Wrapped Message: Status code 403, {inner}",
        vault.dns_name
    )))
}

/// Secrets of a vault cannot be written through the workspace.
pub(crate) fn refuses_writing(scope: &Scope) -> Result<(), Refusal> {
    match &scope.key_vault {
        None => Ok(()),
        Some(_) => Err(Refusal::new(400, "BAD_REQUEST", "Cannot write secrets to an Azure KeyVault-backed scope")),
    }
}
