//! Secrets of a scope: get, list, put and delete, with the documented limits.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::State,
    routing::{get, post},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    answer::{Answer, Refusal},
    authentication::Caller,
    parameters::{JsonBody, QueryParameters},
    scopes::is_name,
    server::{Server, now},
    vault,
    workspace_state::{Content, Permission, Scope},
};

/// The largest value, in bytes.
const LARGEST: usize = 128 << 10;
/// The maximum number of secrets in a scope.
const MOST: usize = 1000;

pub(crate) fn routes() -> Router<Arc<Server>> {
    Router::new()
        .route("/api/2.0/secrets/get", get(value))
        .route("/api/2.0/secrets/list", get(list))
        .route("/api/2.0/secrets/put", post(put))
        .route("/api/2.0/secrets/delete", post(delete))
}

async fn value(State(server): State<Arc<Server>>, Caller(caller): Caller, query: QueryParameters) -> Answer {
    let (name, key) = (query.text("scope")?, query.text("key")?);
    let state = server.state();
    let scope = state.scope(&caller, name, Permission::Read)?;
    if let Some(key_vault) = &scope.key_vault {
        vault::admits(key_vault, &state.tenant, key)?;
    }
    let (key, content) = find(scope, key)
        .ok_or_else(|| Refusal::absent(format!("Secret does not exist with scope: {name} and key: {key}")))?;
    Ok(Json(json!({ "key": key, "value": STANDARD.encode(&content.bytes) })))
}

async fn list(State(server): State<Arc<Server>>, Caller(caller): Caller, query: QueryParameters) -> Answer {
    let state = server.state();
    let scope = state.scope(&caller, query.text("scope")?, Permission::Read)?;
    if let Some(key_vault) = &scope.key_vault {
        vault::admits(key_vault, &state.tenant, "")?;
    }
    let secret =
        |(key, content): (&String, &Content)| json!({ "key": key, "last_updated_timestamp": content.modified });
    let secrets: Vec<Value> = scope.secrets.iter().map(secret).collect();
    // The real service omits an empty list.
    Ok(Json(if secrets.is_empty() { json!({}) } else { json!({ "secrets": secrets }) }))
}

#[derive(Deserialize)]
struct Put {
    scope: String,
    key: String,
    string_value: Option<String>,
    bytes_value: Option<String>,
}

async fn put(State(server): State<Arc<Server>>, Caller(caller): Caller, JsonBody(put): JsonBody<Put>) -> Answer {
    let mut state = server.state();
    let scope = state.scope(&caller, &put.scope, Permission::Write)?;
    vault::refuses_writing(scope)?;
    if !is_name(&put.key) {
        let what = "Secret key must be alphanumeric with dashes, underscores and periods, at most 128 characters";
        return Err(Refusal::invalid(format!("{what}: {}", put.key)));
    }
    let bytes = match (put.string_value, put.bytes_value) {
        (Some(text), None) => text.into_bytes(),
        (None, Some(text)) => STANDARD.decode(text).map_err(|_| Refusal::invalid("bytes_value is not base64"))?,
        _ => return Err(Refusal::new(400, "MALFORMED_REQUEST", "Exactly one of string_value, bytes_value is needed")),
    };
    if bytes.len() > LARGEST {
        return Err(Refusal::invalid(format!("The secret value is larger than {LARGEST} bytes")));
    }
    let known = find(scope, &put.key).map(|(key, _)| key.clone());
    if known.is_none() && scope.secrets.len() >= MOST {
        let message = format!("The number of secrets in scope {} has reached its limit of {MOST}", put.scope);
        return Err(Refusal::new(400, "RESOURCE_LIMIT_EXCEEDED", message));
    }
    let secrets = state.scopes.get_mut(&put.scope).map(|scope| &mut scope.secrets);
    secrets.map(|secrets| secrets.insert(known.unwrap_or(put.key), Content::new(bytes, now() * 1000)));
    Ok(Json(json!({})))
}

#[derive(Deserialize)]
struct Delete {
    scope: String,
    key: String,
}

async fn delete(
    State(server): State<Arc<Server>>,
    Caller(caller): Caller,
    JsonBody(Delete { scope: name, key }): JsonBody<Delete>,
) -> Answer {
    let mut state = server.state();
    let scope = state.scope(&caller, &name, Permission::Write)?;
    vault::refuses_writing(scope)?;
    let known = find(scope, &key).map(|(key, _)| key.clone());
    let known =
        known.ok_or_else(|| Refusal::absent(format!("Secret does not exist with scope: {name} and key: {key}")))?;
    state.scopes.get_mut(&name).map(|scope| scope.secrets.remove(&known));
    Ok(Json(json!({})))
}

/// Finds a secret. Names are compared without case.
fn find<'a>(scope: &'a Scope, key: &str) -> Option<(&'a String, &'a Content)> {
    scope.secrets.iter().find(|(known, _)| known.eq_ignore_ascii_case(key))
}
