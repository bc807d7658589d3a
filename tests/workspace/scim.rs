//! Users and groups: the current user, and the groups of the workspace.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::State,
    http::HeaderName,
    response::{IntoResponse, Response},
    routing::get,
};
use serde_json::{Map, Value, json};

use crate::{
    answer::{Answer, Refusal},
    authentication::Caller,
    parameters::QueryParameters,
    server::Server,
};

pub(crate) fn routes() -> Router<Arc<Server>> {
    Router::new().route("/api/2.0/preview/scim/v2/Me", get(me)).route("/api/2.0/preview/scim/v2/Groups", get(groups))
}

async fn me(State(server): State<Arc<Server>>, Caller(caller): Caller, query: QueryParameters) -> Response {
    let state = server.state();
    let groups: Vec<Value> = state
        .groups_of(&caller)
        .into_iter()
        .map(|(name, is_direct)| {
            let id = group_id(&state.groups.keys().collect::<Vec<_>>(), &name);
            let kind = if is_direct { "direct" } else { "indirect" };
            json!({ "display": name, "value": id, "type": kind, "$ref": format!("Groups/{id}") })
        })
        .collect();
    let whole = json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
        "id": caller.id,
        "userName": caller.name,
        "displayName": caller.display_name,
        "active": true,
        "groups": groups,
        "entitlements": [{ "value": "workspace-access" }],
        "roles": [],
    });
    let answer = match query.maybe("attributes") {
        Some(attributes) => only(whole, attributes),
        None => whole,
    };
    let workspace = [(HeaderName::from_static("x-databricks-org-id"), state.workspace_id.clone())];
    (workspace, Json(answer)).into_response()
}

/// The requested attributes. The id is always included.
fn only(whole: Value, attributes: &str) -> Value {
    let wanted: Vec<&str> = attributes.split(',').map(str::trim).chain(["id", "schemas"]).collect();
    let Value::Object(fields) = whole else { return whole };
    Value::Object(fields.into_iter().filter(|(name, _)| wanted.contains(&name.as_str())).collect::<Map<_, _>>())
}

async fn groups(State(server): State<Arc<Server>>, _: Caller, query: QueryParameters) -> Answer {
    let filter = query.maybe("filter").map(wanted_name).transpose()?;
    let start: usize = query.number("startIndex")?.unwrap_or(1).max(1);
    let count: usize = query.number("count")?.unwrap_or(100);
    let state = server.state();
    let all: Vec<&String> = state.groups.keys().collect();
    let matching: Vec<&&String> =
        all.iter().filter(|name| filter.is_none_or(|wanted| name.as_str() == wanted)).collect();
    let page: Vec<Value> = matching
        .iter()
        .skip(start - 1)
        .take(count)
        .map(|name| json!({ "id": group_id(&all, name), "displayName": name }))
        .collect();
    Ok(Json(json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:ListResponse"],
        "totalResults": matching.len(),
        "startIndex": start,
        "itemsPerPage": page.len(),
        "Resources": page,
    })))
}

/// The name in a filter `displayName eq "NAME"`. Other filters are not supported.
fn wanted_name(filter: &str) -> Result<&str, Refusal> {
    let name = filter.trim().strip_prefix("displayName eq ").map(|name| name.trim().trim_matches('"'));
    name.ok_or_else(|| Refusal::invalid(format!("Unsupported filter: {filter}")))
}

fn group_id(all: &[&String], name: &str) -> String {
    let index = all.iter().position(|known| known.as_str() == name).unwrap_or(all.len());
    format!("{}", 700_000 + index)
}
