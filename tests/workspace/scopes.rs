//! Scopes and their ACLs.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Json, Router,
    extract::State,
    http::HeaderMap,
    routing::{get, post},
};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    answer::{Answer, Refusal},
    authentication::{Caller, bearer},
    parameters::{JsonBody, QueryParameters},
    server::{AZURE_DATABRICKS, Server},
    workspace_state::{KeyVault, Permission, Scope},
};

/// The maximum number of scopes in a workspace.
const MOST: usize = 1000;

pub(crate) fn routes() -> Router<Arc<Server>> {
    Router::new()
        .route("/api/2.0/secrets/scopes/list", get(list))
        .route("/api/2.0/secrets/scopes/create", post(create))
        .route("/api/2.0/secrets/scopes/delete", post(delete))
        .route("/api/2.0/secrets/acls/list", get(list_acls))
        .route("/api/2.0/secrets/acls/get", get(one_acl))
        .route("/api/2.0/secrets/acls/put", post(put_acl))
        .route("/api/2.0/secrets/acls/delete", post(delete_acl))
}

/// Whether a name is valid for a scope or a key.
pub(crate) fn is_name(name: &str) -> bool {
    let allowed = |letter: char| letter.is_ascii_alphanumeric() || "._-@".contains(letter);
    (1..=128).contains(&name.len()) && name.chars().all(allowed)
}

/// All users of the workspace can list the names of scopes.
async fn list(State(server): State<Arc<Server>>, _: Caller) -> Answer {
    let state = server.state();
    let scopes: Vec<Value> = state
        .scopes
        .iter()
        .map(|(name, scope)| match &scope.key_vault {
            None => json!({ "name": name, "backend_type": "DATABRICKS" }),
            Some(KeyVault { resource_id, dns_name, .. }) => json!({
                "name": name,
                "backend_type": "AZURE_KEYVAULT",
                "keyvault_metadata": { "resource_id": resource_id, "dns_name": dns_name },
            }),
        })
        .collect();
    Ok(Json(if scopes.is_empty() { json!({}) } else { json!({ "scopes": scopes }) }))
}

#[derive(Deserialize)]
struct Create {
    scope: String,
    initial_manage_principal: Option<String>,
    scope_backend_type: Option<String>,
    backend_azure_keyvault: Option<Backend>,
}

#[derive(Deserialize)]
struct Backend {
    resource_id: String,
    dns_name: String,
}

async fn create(
    State(server): State<Arc<Server>>,
    headers: HeaderMap,
    Caller(caller): Caller,
    JsonBody(create): JsonBody<Create>,
) -> Answer {
    let name = create.scope;
    if !is_name(&name) {
        return Err(Refusal::invalid(format!(
            "Scope name must be alphanumeric with dashes, underscores and periods: {name}"
        )));
    }
    let holder = bearer(&headers).and_then(|token| server.holder(token));
    let is_of_entra = holder.is_some_and(|holder| holder.resource == AZURE_DATABRICKS);
    let mut state = server.state();
    if state.scopes.contains_key(&name) {
        return Err(Refusal::new(400, "RESOURCE_ALREADY_EXISTS", format!("Scope {name} already exists!")));
    }
    if state.scopes.len() >= MOST {
        return Err(Refusal::new(400, "RESOURCE_LIMIT_EXCEEDED", format!("There are {MOST} scopes already")));
    }
    let manager = match create.initial_manage_principal {
        None => caller.name,
        Some(users) if users == "users" => users,
        Some(other) => {
            return Err(Refusal::invalid(format!("initial_manage_principal may only be users, not {other}")));
        }
    };
    let key_vault = match (create.scope_backend_type.as_deref(), create.backend_azure_keyvault) {
        (Some("AZURE_KEYVAULT"), Some(_)) if !is_of_entra => {
            return Err(Refusal::new(400, "BAD_REQUEST", "Scope with Azure KeyVault must have userAADToken defined!"));
        }
        (Some("AZURE_KEYVAULT"), Some(Backend { resource_id, dns_name })) => {
            Some(KeyVault { resource_id, dns_name, refuses: None })
        }
        (None | Some("DATABRICKS"), None) => None,
        _ => return Err(Refusal::invalid("scope_backend_type and backend_azure_keyvault do not fit")),
    };
    let acls = BTreeMap::from([(manager, Permission::Manage)]);
    state.scopes.insert(name, Scope { acls, key_vault, ..Scope::default() });
    Ok(Json(json!({})))
}

#[derive(Deserialize)]
struct Delete {
    scope: String,
}

async fn delete(
    State(server): State<Arc<Server>>,
    Caller(caller): Caller,
    JsonBody(Delete { scope }): JsonBody<Delete>,
) -> Answer {
    let mut state = server.state();
    state.scope(&caller, &scope, Permission::Manage)?;
    state.scopes.remove(&scope);
    Ok(Json(json!({})))
}

async fn list_acls(State(server): State<Arc<Server>>, Caller(caller): Caller, query: QueryParameters) -> Answer {
    let state = server.state();
    let scope = state.scope(&caller, query.text("scope")?, Permission::Manage)?;
    let item = |(principal, permission)| json!({ "principal": principal, "permission": permission });
    let items: Vec<Value> = scope.acls.iter().map(item).collect();
    Ok(Json(if items.is_empty() { json!({}) } else { json!({ "items": items }) }))
}

async fn one_acl(State(server): State<Arc<Server>>, Caller(caller): Caller, query: QueryParameters) -> Answer {
    let (name, principal) = (query.text("scope")?, query.text("principal")?);
    let state = server.state();
    let scope = state.scope(&caller, name, Permission::Manage)?;
    let permission = scope.acls.get(principal).ok_or_else(|| no_acl(name, principal))?;
    Ok(Json(json!({ "principal": principal, "permission": permission })))
}

#[derive(Deserialize)]
struct PutAcl {
    scope: String,
    principal: String,
    permission: Permission,
}

async fn put_acl(State(server): State<Arc<Server>>, Caller(caller): Caller, JsonBody(put): JsonBody<PutAcl>) -> Answer {
    let mut state = server.state();
    state.scope(&caller, &put.scope, Permission::Manage)?;
    let is_known = state.principal(&put.principal).is_some()
        || state.groups.contains_key(&put.principal)
        || put.principal == "users";
    if !is_known {
        return Err(Refusal::absent(format!("Principal {} does not exist", put.principal)));
    }
    state.scopes.get_mut(&put.scope).map(|scope| scope.acls.insert(put.principal, put.permission));
    Ok(Json(json!({})))
}

#[derive(Deserialize)]
struct DeleteAcl {
    scope: String,
    principal: String,
}

async fn delete_acl(
    State(server): State<Arc<Server>>,
    Caller(caller): Caller,
    JsonBody(delete): JsonBody<DeleteAcl>,
) -> Answer {
    let mut state = server.state();
    state.scope(&caller, &delete.scope, Permission::Manage)?;
    let removed = state.scopes.get_mut(&delete.scope).and_then(|scope| scope.acls.remove(&delete.principal));
    removed.map(|_| Json(json!({}))).ok_or_else(|| no_acl(&delete.scope, &delete.principal))
}

fn no_acl(scope: &str, principal: &str) -> Refusal {
    Refusal::absent(format!("No ACL for principal {principal} on scope {scope}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_their_letters_and_their_length() {
        assert!(is_name("analytics_read-only.2") && is_name(&"x".repeat(128)));
        assert!(!is_name("") && !is_name("a b") && !is_name("a/b") && !is_name(&"x".repeat(129)));
    }
}
