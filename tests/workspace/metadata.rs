//! The metadata service of Databricks: a local address that issues tokens without authentication.

use std::sync::Arc;

use axum::{
    Extension, Json, Router,
    extract::{Path, State},
    http::HeaderMap,
    routing::get,
};
use serde_json::json;

use crate::{
    answer::{Answer, Refusal},
    faults::Clock,
    oidc::origin,
    serve::Scheme,
    server::{Server, WORKSPACE, now, random},
};

pub(crate) fn routes() -> Router<Arc<Server>> {
    Router::new().route("/_metadata/{principal}", get(token))
}

/// A token of the principal in the address.
async fn token(
    State(server): State<Arc<Server>>,
    clock: Option<Extension<Clock>>,
    Extension(scheme): Extension<Scheme>,
    headers: HeaderMap,
    Path(principal): Path<String>,
) -> Answer {
    let header = |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if header("x-databricks-metadata-version") != "1" {
        return Err(Refusal::invalid("X-Databricks-Metadata-Version is not 1"));
    }
    if header("x-databricks-host").trim_end_matches('/') != origin(scheme, &headers) {
        return Err(Refusal::new(404, "NOT_FOUND", "this service does not serve that host"));
    }
    if server.state().principal(&principal).is_none() {
        return Err(Refusal::new(404, "NOT_FOUND", "there is no such principal"));
    }
    let offset = clock.map_or(0, |Extension(Clock(seconds))| seconds);
    let expires = now() + offset + server.state().token_seconds;
    let token = random();
    server.issue(token.clone(), &principal, WORKSPACE, expires);
    Ok(Json(json!({ "access_token": token, "token_type": "Bearer", "expires_on": expires })))
}
