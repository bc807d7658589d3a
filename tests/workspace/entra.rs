//! Entra and the metadata service of the machine, as far as a workspace needs them: tokens of a service principal and
//! of a managed identity, the tenant of a workspace, and the address of a workspace.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Extension, Form, Json, Router,
    extract::{Path, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde_json::{Value, json};

use crate::{
    answer::{Answer, Refusal},
    authentication::bearer,
    faults::Clock,
    jwt,
    oidc::origin,
    parameters::QueryParameters,
    serve::Scheme,
    server::{Server, now},
    workspace_state::Principal,
};

pub(crate) fn routes() -> Router<Arc<Server>> {
    Router::new()
        .route("/{tenant}/oauth2/token", post(first_version))
        .route("/{tenant}/oauth2/v2.0/token", post(second_version))
        .route("/aad/auth", get(sign_in))
        .route("/metadata/identity/oauth2/token", get(managed))
        .route("/arm/{*resource}", get(resource))
}

/// An error in the format of Entra: error, number, description.
type Refused = (StatusCode, &'static str, u32, String);
type Fields = BTreeMap<String, String>;

async fn first_version(
    State(server): State<Arc<Server>>,
    clock: Option<Extension<Clock>>,
    Path(tenant): Path<String>,
    Form(form): Form<Fields>,
) -> Response {
    let resource = form.get("resource").cloned();
    answer(&server, by_secret(&server, &tenant, &form), resource, clock, true)
}

async fn second_version(
    State(server): State<Arc<Server>>,
    clock: Option<Extension<Clock>>,
    Path(tenant): Path<String>,
    Form(form): Form<Fields>,
) -> Response {
    let resource = form.get("scope").and_then(|scope| scope.strip_suffix("/.default")).map(str::to_owned);
    answer(&server, by_secret(&server, &tenant, &form), resource, clock, false)
}

/// The principal with the client id and the client secret of a form.
fn by_secret(server: &Server, tenant: &str, form: &Fields) -> Result<Principal, Refused> {
    let field = |name: &str| form.get(name).map_or("", String::as_str);
    let state = server.state();
    if tenant != state.tenant {
        let why = format!("Tenant '{tenant}' not found. Check to make sure you have the correct tenant ID.");
        return Err((StatusCode::BAD_REQUEST, "invalid_request", 90_002, why));
    }
    if field("grant_type") != "client_credentials" {
        let why = format!("The app requested an unsupported grant type '{}'.", field("grant_type"));
        return Err((StatusCode::BAD_REQUEST, "unsupported_grant_type", 70_003, why));
    }
    let client = state.principal(field("client_id")).filter(|client| client.azure_object_id.is_some());
    let client = client.ok_or_else(|| {
        let why =
            format!("Application with identifier '{}' was not found in the directory '{tenant}'.", field("client_id"));
        (StatusCode::BAD_REQUEST, "unauthorized_client", 700_016, why)
    })?;
    if client.azure_secret.as_deref() != Some(field("client_secret")) {
        let why = format!(
            "Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not the client secret ID, for a secret added to app '{}'.",
            client.name
        );
        return Err((StatusCode::UNAUTHORIZED, "invalid_client", 7_000_215, why));
    }
    Ok(client.clone())
}

/// Issues a token, or returns an error. Version 1 writes numbers as strings.
fn answer(
    server: &Server,
    principal: Result<Principal, Refused>,
    resource: Option<String>,
    clock: Option<Extension<Clock>>,
    is_first: bool,
) -> Response {
    let no_resource = || {
        (
            StatusCode::BAD_REQUEST,
            "invalid_request",
            900_144,
            "The request body must contain the following parameter: 'resource'.".to_owned(),
        )
    };
    let (principal, resource) = match principal.and_then(|principal| Ok((principal, resource.ok_or_else(no_resource)?)))
    {
        Ok(granted) => granted,
        Err((status, error, number, why)) => {
            let description = format!(
                "AADSTS{number}: {why} Trace ID: 00000000-0000-4000-8000-00000000aaaa Correlation ID: 00000000-0000-4000-8000-00000000bbbb Timestamp: 2026-01-01 00:00:00Z"
            );
            let body = json!({ "error": error, "error_description": description, "error_codes": [number] });
            return (status, Json(body)).into_response();
        }
    };
    let offset = clock.map_or(0, |Extension(Clock(seconds))| seconds);
    let (token, expires) = issue(server, &principal, &resource, offset);
    let seconds = server.state().token_seconds;
    Json(if is_first {
        json!({
            "token_type": "Bearer", "resource": resource, "access_token": token,
            "expires_in": seconds.to_string(), "ext_expires_in": seconds.to_string(), "expires_on": expires.to_string(),
        })
    } else {
        json!({ "token_type": "Bearer", "access_token": token, "expires_in": seconds, "ext_expires_in": seconds })
    })
    .into_response()
}

fn issue(server: &Server, principal: &Principal, resource: &str, offset: i64) -> (String, i64) {
    let (tenant, seconds) = {
        let state = server.state();
        (state.tenant.clone(), state.token_seconds)
    };
    let (issued, expires) = (now() + offset, now() + offset + seconds);
    let token = jwt::sign(&json!({
        "aud": resource, "iss": format!("https://sts.windows.net/{tenant}/"), "tid": tenant,
        "oid": principal.azure_object_id, "appid": principal.name, "idtyp": "app", "iat": issued, "exp": expires,
    }));
    server.issue(token.clone(), &principal.name, resource, expires);
    (token, expires)
}

/// The login page of a workspace. Clients learn the tenant from its redirect.
async fn sign_in(
    State(server): State<Arc<Server>>,
    Extension(scheme): Extension<Scheme>,
    headers: HeaderMap,
) -> Response {
    let location =
        format!("{}/{}/oauth2/authorize?response_type=code", origin(scheme, &headers), server.state().tenant);
    (StatusCode::FOUND, [(header::LOCATION, location)]).into_response()
}

/// A token of the machine's managed identity: the requested principal, or the one that has an object id and no secret
/// in the state.
async fn managed(
    State(server): State<Arc<Server>>,
    clock: Option<Extension<Clock>>,
    headers: HeaderMap,
    query: QueryParameters,
) -> Response {
    let refused = |error: &str, why: &str| {
        (StatusCode::BAD_REQUEST, Json(json!({ "error": error, "error_description": why }))).into_response()
    };
    if headers.get("metadata").is_none_or(|value| value != "true") || headers.contains_key("x-forwarded-for") {
        return refused("invalid_request", "Required metadata header not specified");
    }
    let (Some(_), Some(resource)) = (query.maybe("api-version"), query.maybe("resource")) else {
        return refused("invalid_request", "Required query parameters api-version and resource");
    };
    let wanted = |principal: &&Principal| match (query.maybe("client_id"), query.maybe("object_id")) {
        (Some(client), _) => principal.name == client,
        (None, Some(object)) => principal.azure_object_id.as_deref() == Some(object),
        (None, None) => true,
    };
    let managed = |principal: &&Principal| principal.azure_object_id.is_some() && principal.azure_secret.is_none();
    let found = server.state().principals.iter().filter(managed).find(wanted).cloned();
    let Some(principal) = found else { return refused("invalid_request", "Identity not found") };
    let offset = clock.map_or(0, |Extension(Clock(seconds))| seconds);
    let (token, expires) = issue(&server, &principal, resource, offset);
    let seconds = server.state().token_seconds;
    Json(json!({
        "access_token": token, "client_id": principal.name, "expires_in": seconds.to_string(),
        "expires_on": expires.to_string(), "resource": resource, "token_type": "Bearer",
    }))
    .into_response()
}

/// The workspace as an Azure resource, with its address.
async fn resource(
    State(server): State<Arc<Server>>,
    Extension(scheme): Extension<Scheme>,
    headers: HeaderMap,
    Path(resource): Path<String>,
) -> Answer {
    let holder = bearer(&headers).and_then(|token| server.holder(token));
    if holder.is_none_or(|holder| !holder.resource.contains("management")) {
        return Err(Refusal::new(401, "InvalidAuthenticationToken", "The access token is invalid."));
    }
    let state = server.state();
    if format!("/{resource}") != state.azure_resource_id {
        return Err(Refusal::new(404, "ResourceNotFound", format!("The Resource '{resource}' was not found.")));
    }
    let host = origin(scheme, &headers);
    let properties: Value = json!({ "workspaceUrl": host.split_once("://").map_or("", |(_, host)| host), "workspaceId": state.workspace_id });
    Ok(Json(json!({ "id": state.azure_resource_id, "properties": properties })))
}
