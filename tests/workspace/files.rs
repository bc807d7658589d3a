//! The Files API: files in Volumes, complete or in ranges, and their folders.

use std::{ops::Range, sync::Arc};

use axum::{
    Json, Router,
    body::{Body, Bytes},
    extract::{Path, State},
    http::{HeaderMap, Method, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use jiff::{Timestamp, fmt::rfc2822};
use serde_json::{Value, json};

use crate::{
    answer::{Answer, Refusal},
    authentication::Caller,
    parameters::QueryParameters,
    server::Server,
    tree::{Node, children, node},
    workspace_state::{Content, Principal, WorkspaceState},
};

pub(crate) fn routes() -> Router<Arc<Server>> {
    Router::new().route("/api/2.0/fs/files/{*path}", get(file)).route("/api/2.0/fs/directories/{*path}", get(folder))
}

/// The node at a path that the caller can read.
fn found<'a>(state: &'a WorkspaceState, caller: &Principal, path: &str) -> Result<Node<'a>, Refusal> {
    if !path.starts_with("/Volumes/") {
        return Err(Refusal::invalid(format!("Invalid path: {path} does not begin with /Volumes/")));
    }
    if !state.may_read(caller, path) {
        let volume = path.split('/').skip(2).take(3).collect::<Vec<_>>().join(".");
        return Err(Refusal::denied(format!("User does not have READ VOLUME on Volume '{volume}'.")));
    }
    let absent = || Refusal::new(404, "NOT_FOUND", "The file or directory being accessed is not found.");
    node(&state.volumes, path).ok_or_else(absent)
}

async fn file(
    State(server): State<Arc<Server>>,
    Caller(caller): Caller,
    method: Method,
    headers: HeaderMap,
    Path(path): Path<String>,
) -> Result<Response, Refusal> {
    let path = format!("/{path}");
    let content = match found(&server.state(), &caller, &path)? {
        Node::File(content) => content.clone(),
        Node::Folder => return Err(Refusal::invalid(format!("{path} is a directory"))),
    };
    let header = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let since = header(header::IF_UNMODIFIED_SINCE).and_then(|date| rfc2822::parse(date).ok());
    if since.is_some_and(|since| content.modified / 1000 > since.timestamp().as_second()) {
        return Err(Refusal::new(412, "FAILED_PRECONDITION", "The file was modified since."));
    }
    let size = content.bytes.len();
    let (status, range) = match header(header::RANGE).map(|text| range(text, size)) {
        None | Some(Wanted::Whole) => (StatusCode::OK, 0..size),
        Some(Wanted::Part(range)) => (StatusCode::PARTIAL_CONTENT, range),
        Some(Wanted::Nothing) => {
            let whole = [(header::CONTENT_RANGE, format!("bytes */{size}"))];
            return Ok((StatusCode::RANGE_NOT_SATISFIABLE, whole).into_response());
        }
    };
    let mut answer = Response::builder()
        .status(status)
        .header(header::CONTENT_TYPE, "application/octet-stream")
        .header(header::ACCEPT_RANGES, "bytes")
        .header(header::LAST_MODIFIED, last_modified(&content))
        .header(header::CONTENT_LENGTH, range.len());
    if status == StatusCode::PARTIAL_CONTENT {
        answer = answer.header(header::CONTENT_RANGE, format!("bytes {}-{}/{size}", range.start, range.end - 1));
    }
    let body: Bytes = if method == Method::HEAD { Bytes::new() } else { content.bytes.slice(range) };
    answer.body(Body::from(body)).map_err(|error| Refusal::new(500, "INTERNAL_ERROR", error.to_string()))
}

fn last_modified(content: &Content) -> String {
    let time = Timestamp::from_millisecond(content.modified).unwrap_or_default();
    rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&time).unwrap_or_default()
}

/// The requested range.
#[derive(Debug, PartialEq, Eq)]
enum Wanted {
    Whole,
    Part(Range<usize>),
    Nothing,
}

/// Parses `bytes=A-B`, `bytes=A-` and `bytes=-N`. Any other value requests the complete file.
fn range(text: &str, size: usize) -> Wanted {
    let Some((first, last)) = text.strip_prefix("bytes=").and_then(|text| text.split_once('-')) else {
        return Wanted::Whole;
    };
    let part = match (first.parse::<usize>(), last.parse::<usize>()) {
        (Ok(first), Ok(last)) if first <= last => first..size.min(last + 1),
        (Ok(first), Err(_)) if last.is_empty() => first..size,
        (Err(_), Ok(length)) if first.is_empty() => size.saturating_sub(length)..size,
        _ => return Wanted::Whole,
    };
    if part.start < part.end { Wanted::Part(part) } else { Wanted::Nothing }
}

/// A page of the contents of a folder.
async fn folder(
    State(server): State<Arc<Server>>,
    Caller(caller): Caller,
    Path(path): Path<String>,
    query: QueryParameters,
) -> Answer {
    let path = format!("/{}", path.trim_end_matches('/'));
    let state = server.state();
    if let Node::File(_) = found(&state, &caller, &path)? {
        return Err(Refusal::new(400, "INVALID_PARAMETER_VALUE", format!("{path} is not a directory")));
    }
    let from: usize = query.number("page_token")?.unwrap_or(0);
    let most: usize = query.number("page_size")?.unwrap_or(1000).clamp(1, 1000);
    let all = children(&state.volumes, &path);
    let describe = |path: &String| {
        let name = path.rsplit('/').next().unwrap_or_default();
        match node(&state.volumes, path) {
            Some(Node::File(content)) => json!({
                "path": path, "name": name, "is_directory": false,
                "file_size": content.bytes.len(), "last_modified": content.modified,
            }),
            _ => json!({ "path": path, "name": name, "is_directory": true }),
        }
    };
    let contents: Vec<Value> = all.iter().skip(from).take(most).map(describe).collect();
    let mut answer = json!({ "contents": contents });
    if from + most < all.len() {
        answer["next_page_token"] = json!((from + most).to_string());
    }
    Ok(Json(answer))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_cut_to_the_file() {
        assert_eq!(range("bytes=0-3", 10), Wanted::Part(0..4));
        assert_eq!(range("bytes=8-99", 10), Wanted::Part(8..10));
        assert_eq!(range("bytes=8-", 10), Wanted::Part(8..10));
        assert_eq!(range("bytes=-2", 10), Wanted::Part(8..10));
        assert_eq!(range("bytes=10-", 10), Wanted::Nothing);
        assert_eq!(range("lines=1-2", 10), Wanted::Whole);
    }
}
