//! Files in the workspace tree: status, lists, and export as base64 or as bytes.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::State,
    http::header,
    response::{IntoResponse, Response},
    routing::get,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use crate::{
    answer::{Answer, Refusal},
    authentication::Caller,
    parameters::QueryParameters,
    server::Server,
    tree::{Node, children, node},
    workspace_state::{Principal, WorkspaceState},
};

/// The largest export, in bytes.
const LARGEST: usize = 10 << 20;

pub(crate) fn routes() -> Router<Arc<Server>> {
    Router::new()
        .route("/api/2.0/workspace/export", get(export))
        .route("/api/2.0/workspace/get-status", get(status))
        .route("/api/2.0/workspace/list", get(list))
}

/// The requested path. The prefix `/Workspace` is optional.
fn path(query: &QueryParameters) -> Result<String, Refusal> {
    let path = query.text("path")?;
    let inner = path.strip_prefix("/Workspace").filter(|rest| rest.is_empty() || rest.starts_with('/')).unwrap_or(path);
    if !path.starts_with('/') {
        return Err(Refusal::invalid(format!("Path ({path}) should start with '/'")));
    }
    Ok(format!("/Workspace{}", inner.trim_end_matches('/')))
}

fn found<'a>(state: &'a WorkspaceState, caller: &Principal, path: &str) -> Result<Node<'a>, Refusal> {
    if !state.may_read(caller, path) {
        return Err(Refusal::denied(format!("{} does not have View permissions on {}.", caller.name, shown(path))));
    }
    node(&state.workspace, path).ok_or_else(|| Refusal::absent(format!("Path ({}) doesn't exist.", shown(path))))
}

/// A path in the format of the service.
fn shown(path: &str) -> &str {
    path.strip_prefix("/Workspace").filter(|rest| !rest.is_empty()).unwrap_or("/")
}

async fn export(
    State(server): State<Arc<Server>>,
    Caller(caller): Caller,
    query: QueryParameters,
) -> Result<Response, Refusal> {
    let path = path(&query)?;
    let format = query.maybe("format").unwrap_or("SOURCE");
    if !["SOURCE", "AUTO", "RAW"].contains(&format) {
        return Err(Refusal::invalid(format!("Unsupported export format {format}")));
    }
    let state = server.state();
    let Node::File(content) = found(&state, &caller, &path)? else {
        return Err(Refusal::invalid(format!("{} is a directory; export it as DBC", shown(&path))));
    };
    if content.bytes.len() > LARGEST {
        let message = format!("The exported content is larger than {LARGEST} bytes");
        return Err(Refusal::new(400, "MAX_NOTEBOOK_SIZE_EXCEEDED", message));
    }
    if query.maybe("direct_download") == Some("true") {
        return Ok(([(header::CONTENT_TYPE, "application/octet-stream")], content.bytes.clone()).into_response());
    }
    let ending = path.rsplit_once('.').map_or("", |(_, ending)| ending);
    Ok(Json(json!({ "content": STANDARD.encode(&content.bytes), "file_type": ending })).into_response())
}

fn describe(state: &WorkspaceState, path: &str) -> Value {
    let id = state.workspace.keys().position(|file| file.starts_with(path)).unwrap_or_default();
    match node(&state.workspace, path) {
        Some(Node::File(content)) => json!({
            "path": shown(path), "object_type": "FILE", "object_id": 9000 + id, "size": content.bytes.len(),
            "created_at": content.modified, "modified_at": content.modified,
        }),
        _ => json!({ "path": shown(path), "object_type": "DIRECTORY", "object_id": 1000 + id }),
    }
}

async fn status(State(server): State<Arc<Server>>, Caller(caller): Caller, query: QueryParameters) -> Answer {
    let (state, path) = (server.state(), path(&query)?);
    found(&state, &caller, &path)?;
    Ok(Json(describe(&state, &path)))
}

async fn list(State(server): State<Arc<Server>>, Caller(caller): Caller, query: QueryParameters) -> Answer {
    let (state, path) = (server.state(), path(&query)?);
    let objects: Vec<Value> = match found(&state, &caller, &path)? {
        Node::File(_) => vec![describe(&state, &path)],
        Node::Folder => children(&state.workspace, &path).iter().map(|child| describe(&state, child)).collect(),
    };
    // The real service omits an empty list.
    Ok(Json(if objects.is_empty() { json!({}) } else { json!({ "objects": objects }) }))
}
