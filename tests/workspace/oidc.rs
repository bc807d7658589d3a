//! Tokens of the workspace: discovery, client credentials, and token exchange.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Extension, Form, Json, Router,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use crate::{
    faults::Clock,
    jwt,
    serve::Scheme,
    server::{Server, WORKSPACE, now, random},
    workspace_state::Principal,
};

pub(crate) fn routes() -> Router<Arc<Server>> {
    Router::new()
        .route("/.well-known/databricks-config", get(config))
        .route("/oidc/.well-known/oauth-authorization-server", get(server))
        .route("/oidc/v1/token", post(token))
}

/// The address of the workspace, as the client uses it.
pub(crate) fn origin(Scheme(scheme): Scheme, headers: &HeaderMap) -> String {
    let host = headers.get("host").and_then(|host| host.to_str().ok()).unwrap_or("127.0.0.1");
    format!("{scheme}://{host}")
}

async fn config(
    State(server): State<Arc<Server>>,
    Extension(scheme): Extension<Scheme>,
    headers: HeaderMap,
) -> Json<Value> {
    let state = server.state();
    Json(json!({
        "oidc_endpoint": format!("{}/oidc", origin(scheme, &headers)),
        "account_id": state.account_id,
        "workspace_id": state.workspace_id,
        "cloud": "azure",
        "host_type": "workspace",
    }))
}

async fn server(Extension(scheme): Extension<Scheme>, headers: HeaderMap) -> Json<Value> {
    let oidc = format!("{}/oidc", origin(scheme, &headers));
    Json(json!({
        "issuer": oidc,
        "authorization_endpoint": format!("{oidc}/v1/authorize"),
        "token_endpoint": format!("{oidc}/v1/token"),
        "grant_types_supported": ["client_credentials", "urn:ietf:params:oauth:grant-type:token-exchange"],
    }))
}

/// An error in the format of OAuth.
type Refused = (StatusCode, &'static str, &'static str);

async fn token(
    State(server): State<Arc<Server>>,
    clock: Option<Extension<Clock>>,
    Extension(scheme): Extension<Scheme>,
    headers: HeaderMap,
    Form(form): Form<BTreeMap<String, String>>,
) -> Response {
    let granted = match form.get("grant_type").map(String::as_str) {
        Some("client_credentials") => by_secret(&server, &headers),
        Some("urn:ietf:params:oauth:grant-type:token-exchange") => {
            by_exchange(&server, &form, &format!("{}/oidc/v1/token", origin(scheme, &headers)))
        }
        _ => Err((StatusCode::BAD_REQUEST, "unsupported_grant_type", "The grant type is not supported")),
    };
    let granted = granted.and_then(|principal| match form.get("scope").map(String::as_str) {
        Some("all-apis") => Ok(principal),
        _ => Err((StatusCode::BAD_REQUEST, "invalid_scope", "The scope is not all-apis")),
    });
    match granted {
        Ok(principal) => {
            let seconds = server.state().token_seconds;
            let offset = clock.map_or(0, |Extension(Clock(seconds))| seconds);
            let token = format!("eyJ{}", random());
            server.issue(token.clone(), &principal.name, WORKSPACE, now() + offset + seconds);
            Json(json!({ "access_token": token, "token_type": "Bearer", "scope": "all-apis", "expires_in": seconds }))
                .into_response()
        }
        Err((status, error, why)) => {
            (status, Json(json!({ "error": error, "error_description": why }))).into_response()
        }
    }
}

/// The principal with the client id and the client secret of the request.
fn by_secret(server: &Server, headers: &HeaderMap) -> Result<Principal, Refused> {
    let failed = (StatusCode::UNAUTHORIZED, "invalid_client", "Client authentication failed");
    let shown = basic(headers).ok_or(failed)?;
    let state = server.state();
    let client = state.principal(&shown.0).filter(|client| client.client_secret.as_deref() == Some(&shown.1));
    client.cloned().ok_or(failed)
}

/// The user name and the password of a request.
pub(crate) fn basic(headers: &HeaderMap) -> Option<(String, String)> {
    let shown = headers.get("authorization")?.to_str().ok()?.strip_prefix("Basic ")?;
    let text = String::from_utf8(STANDARD.decode(shown).ok()?).ok()?;
    let (user, password) = text.split_once(':')?;
    Some((user.to_owned(), password.to_owned()))
}

/// The principal that trusts the issuer of the token.
fn by_exchange(server: &Server, form: &BTreeMap<String, String>, audience: &str) -> Result<Principal, Refused> {
    let invalid = |why| (StatusCode::BAD_REQUEST, "invalid_grant", why);
    let field = |name: &str| form.get(name).map_or("", String::as_str);
    if field("subject_token_type") != "urn:ietf:params:oauth:token-type:jwt" {
        return Err((StatusCode::BAD_REQUEST, "invalid_request", "The type of the subject token is not jwt"));
    }
    let claims = jwt::claims(field("subject_token")).ok_or_else(|| invalid("The subject token is malformed"))?;
    if claims["exp"].as_i64().is_some_and(|expires| expires <= now()) {
        return Err(invalid("The subject token is expired"));
    }
    let audiences = [audience.to_owned(), server.state().account_id.clone()];
    if !audiences.iter().any(|known| claims["aud"] == json!(known) || claims["aud"] == json!([known])) {
        return Err(invalid("The audience of the subject token is not accepted"));
    }
    let state = server.state();
    let trusted = state.principal(field("client_id")).filter(|client| {
        let federation = client.federation.as_ref();
        federation.is_some_and(|known| claims["iss"] == json!(known.issuer) && claims["sub"] == json!(known.subject))
    });
    trusted.cloned().ok_or_else(|| invalid("No federation policy matches the subject token"))
}
