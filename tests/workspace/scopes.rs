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
    demand::{Asked, Told},
    story::{KeyVault, Permission, Scope},
    who::{Caller, bearer},
    world::{AZURE_DATABRICKS, World},
};

/// The maximum number of scopes in a workspace.
const MOST: usize = 1000;

pub(crate) fn routes() -> Router<Arc<World>> {
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
async fn list(State(world): State<Arc<World>>, _: Caller) -> Answer {
    let story = world.story();
    let scopes: Vec<Value> = story
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
    State(world): State<Arc<World>>,
    headers: HeaderMap,
    Caller(caller): Caller,
    Told(create): Told<Create>,
) -> Answer {
    let name = create.scope;
    if !is_name(&name) {
        return Err(Refusal::invalid(format!(
            "Scope name must be alphanumeric with dashes, underscores and periods: {name}"
        )));
    }
    let holder = bearer(&headers).and_then(|token| world.holder(token));
    let is_of_entra = holder.is_some_and(|holder| holder.resource == AZURE_DATABRICKS);
    let mut story = world.story();
    if story.scopes.contains_key(&name) {
        return Err(Refusal::new(400, "RESOURCE_ALREADY_EXISTS", format!("Scope {name} already exists!")));
    }
    if story.scopes.len() >= MOST {
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
    story.scopes.insert(name, Scope { acls, key_vault, ..Scope::default() });
    Ok(Json(json!({})))
}

#[derive(Deserialize)]
struct Delete {
    scope: String,
}

async fn delete(
    State(world): State<Arc<World>>,
    Caller(caller): Caller,
    Told(Delete { scope }): Told<Delete>,
) -> Answer {
    let mut story = world.story();
    story.scope(&caller, &scope, Permission::Manage)?;
    story.scopes.remove(&scope);
    Ok(Json(json!({})))
}

async fn list_acls(State(world): State<Arc<World>>, Caller(caller): Caller, asked: Asked) -> Answer {
    let story = world.story();
    let scope = story.scope(&caller, asked.text("scope")?, Permission::Manage)?;
    let item = |(principal, permission)| json!({ "principal": principal, "permission": permission });
    let items: Vec<Value> = scope.acls.iter().map(item).collect();
    Ok(Json(if items.is_empty() { json!({}) } else { json!({ "items": items }) }))
}

async fn one_acl(State(world): State<Arc<World>>, Caller(caller): Caller, asked: Asked) -> Answer {
    let (name, principal) = (asked.text("scope")?, asked.text("principal")?);
    let story = world.story();
    let scope = story.scope(&caller, name, Permission::Manage)?;
    let permission = scope.acls.get(principal).ok_or_else(|| no_acl(name, principal))?;
    Ok(Json(json!({ "principal": principal, "permission": permission })))
}

#[derive(Deserialize)]
struct PutAcl {
    scope: String,
    principal: String,
    permission: Permission,
}

async fn put_acl(State(world): State<Arc<World>>, Caller(caller): Caller, Told(put): Told<PutAcl>) -> Answer {
    let mut story = world.story();
    story.scope(&caller, &put.scope, Permission::Manage)?;
    let is_known = story.principal(&put.principal).is_some()
        || story.groups.contains_key(&put.principal)
        || put.principal == "users";
    if !is_known {
        return Err(Refusal::absent(format!("Principal {} does not exist", put.principal)));
    }
    story.scopes.get_mut(&put.scope).map(|scope| scope.acls.insert(put.principal, put.permission));
    Ok(Json(json!({})))
}

#[derive(Deserialize)]
struct DeleteAcl {
    scope: String,
    principal: String,
}

async fn delete_acl(State(world): State<Arc<World>>, Caller(caller): Caller, Told(delete): Told<DeleteAcl>) -> Answer {
    let mut story = world.story();
    story.scope(&caller, &delete.scope, Permission::Manage)?;
    let removed = story.scopes.get_mut(&delete.scope).and_then(|scope| scope.acls.remove(&delete.principal));
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
