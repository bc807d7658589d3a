//! DBFS: status, pages of at most 1 MB, and lists. As in the real service, all users of the workspace can read it.

use std::sync::Arc;

use axum::{Json, Router, extract::State, routing::get};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use crate::{
    answer::{Answer, Refusal},
    authentication::Caller,
    parameters::QueryParameters,
    server::Server,
    tree::{Node, children, node},
    workspace_state::WorkspaceState,
};

/// The largest page, in bytes.
const PAGE: i64 = 1 << 20;

pub(crate) fn routes() -> Router<Arc<Server>> {
    Router::new()
        .route("/api/2.0/dbfs/get-status", get(status))
        .route("/api/2.0/dbfs/read", get(read))
        .route("/api/2.0/dbfs/list", get(list))
}

/// The requested path, without its scheme.
fn path(query: &QueryParameters) -> Result<String, Refusal> {
    let path = query.text("path")?;
    let path = path.strip_prefix("dbfs:").unwrap_or(path);
    if !path.starts_with('/') {
        return Err(Refusal::invalid(format!("Path must be absolute: {path}")));
    }
    if path == "/Volumes" || path.starts_with("/Volumes/") {
        return Err(Refusal::denied("No operations allowed on this path."));
    }
    let path = path.trim_end_matches('/');
    Ok(if path.is_empty() { "/".to_owned() } else { path.to_owned() })
}

fn describe(state: &WorkspaceState, path: &str) -> Result<Value, Refusal> {
    match node(&state.dbfs, path) {
        Some(Node::File(content)) => Ok(json!({
            "path": path, "is_dir": false, "file_size": content.bytes.len(), "modification_time": content.modified,
        })),
        Some(Node::Folder) => Ok(json!({ "path": path, "is_dir": true, "file_size": 0, "modification_time": 0 })),
        None => Err(Refusal::absent(format!("No file or directory exists on path {path}."))),
    }
}

async fn status(State(server): State<Arc<Server>>, _: Caller, query: QueryParameters) -> Answer {
    describe(&server.state(), &path(&query)?).map(Json)
}

async fn list(State(server): State<Arc<Server>>, _: Caller, query: QueryParameters) -> Answer {
    let (state, path) = (server.state(), path(&query)?);
    let described = describe(&state, &path)?;
    if described["is_dir"] == json!(false) {
        return Ok(Json(json!({ "files": [described] })));
    }
    let files: Result<Vec<Value>, Refusal> =
        children(&state.dbfs, &path).iter().map(|child| describe(&state, child)).collect();
    Ok(Json(json!({ "files": files? })))
}

async fn read(State(server): State<Arc<Server>>, _: Caller, query: QueryParameters) -> Answer {
    let path = path(&query)?;
    let offset: i64 = query.number("offset")?.unwrap_or(0);
    let length: i64 = query.number("length")?.unwrap_or(PAGE / 2);
    let (Ok(from), Ok(size)) = (usize::try_from(offset), usize::try_from(length)) else {
        return Err(Refusal::invalid("offset and length must not be negative"));
    };
    if length > PAGE {
        let message = format!("The maximum read length is {PAGE} bytes, {length} were asked for");
        return Err(Refusal::new(400, "MAX_READ_SIZE_EXCEEDED", message));
    }
    let state = server.state();
    match node(&state.dbfs, &path) {
        Some(Node::File(content)) => {
            let from = from.min(content.bytes.len());
            let page = content.bytes.slice(from..content.bytes.len().min(from + size));
            Ok(Json(json!({ "bytes_read": page.len(), "data": STANDARD.encode(&page) })))
        }
        Some(Node::Folder) => Err(Refusal::invalid(format!("Cannot read from a directory: {path}"))),
        None => Err(Refusal::absent(format!("No file or directory exists on path {path}."))),
    }
}
