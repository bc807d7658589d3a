//! Fault injection: the next requests to a path fail as in real networks and services.

use std::{convert::Infallible, io, sync::Arc, time::Duration};

use axum::{
    Json, Router,
    body::{Body, Bytes, to_bytes},
    extract::{Request, State},
    http::{HeaderValue, StatusCode, header},
    middleware::Next,
    response::{Html, IntoResponse, Response},
    routing::{get, post},
};
use futures::{StreamExt as _, stream};
use jiff::{SignedDuration, Timestamp, fmt::rfc2822};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{
    answer::{Answer, Refusal},
    authentication::bearer,
    log::Seen,
    parameters::JsonBody,
    server::Server,
};

pub(crate) fn routes() -> Router<Arc<Server>> {
    Router::new()
        .route("/_faults", post(add).get(list).delete(clear))
        .route("/login.html", get(private_link))
        .route("/_ready", get(|| async { "ready" }))
}

/// A fault, the requests that it applies to, and their number.
#[derive(Debug, Clone, Deserialize, Serialize)]
pub(crate) struct Fault {
    /// The prefix of the paths.
    path: String,
    /// The method. `None` applies to all methods.
    method: Option<String>,
    /// The number of requests that fail.
    #[serde(default = "once")]
    count: usize,
    /// The number of requests that succeed before.
    #[serde(default)]
    after: usize,
    #[serde(flatten)]
    kind: Kind,
}

fn once() -> usize {
    1
}

/// The kind of a fault.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
enum Kind {
    /// 429, with or without `Retry-After`.
    Limited { retry_after: Option<String> },
    /// 503, with or without `Retry-After`.
    Overloaded { retry_after: Option<String> },
    /// The head of the real answer and the first half of its body, or a number of bytes.
    Truncated { bytes: Option<usize> },
    /// A body that never ends.
    Endless,
    /// The real answer in pieces, with a pause before each piece.
    Slow { milliseconds: u64, piece: Option<usize> },
    /// No answer at all.
    Silent,
    /// An error with a numeric code.
    IntegerCode { status: Option<u16> },
    /// An error page.
    Html { status: Option<u16> },
    /// An error as text `CODE: message`.
    Text { status: Option<u16> },
    /// An error without a body.
    Empty { status: Option<u16> },
    /// The token of the request is invalid from now on.
    Expired,
    /// The clock of the server is wrong by a number of seconds, in the date of the answer and for issued tokens.
    WrongClock { seconds: i64 },
    /// A redirect.
    Redirect { to: String },
    /// An error in the format of the workspace.
    Error { status: u16, error_code: String, message: String },
    /// Any answer.
    Answer { status: u16, body: String, content_type: Option<String> },
}

/// The error of the clock in a request handler, in seconds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock(pub(crate) i64);

async fn add(State(server): State<Arc<Server>>, JsonBody(fault): JsonBody<Fault>) -> Answer {
    server.faults().push(fault);
    Ok(Json(json!({})))
}

async fn list(State(server): State<Arc<Server>>) -> Json<Vec<Fault>> {
    Json(server.faults().clone())
}

async fn clear(State(server): State<Arc<Server>>) -> Json<Vec<Fault>> {
    Json(std::mem::take(&mut *server.faults()))
}

/// The page that a workspace with a Private Link shows to other networks.
async fn private_link() -> Html<&'static str> {
    Html("<!doctype html><html><head><title>Sign in</title></head><body>private-link-validation-error</body></html>")
}

/// The middleware before the handlers: records each request and applies the next fault.
pub(crate) async fn between(State(server): State<Arc<Server>>, request: Request, next: Next) -> Response {
    if request.uri().path().starts_with("/_") && !request.uri().path().starts_with("/_metadata") {
        return next.run(request).await;
    }
    let index = {
        let mut seen = server.seen();
        // Limits the memory of a server whose log is never read.
        if seen.len() == 100_000 {
            seen.clear();
        }
        let entry = Seen::new(&server, &request);
        seen.push(entry);
        seen.len() - 1
    };
    let kind = take(&server, &request);
    let name = kind.as_ref().and_then(|kind| Some(serde_json::to_value(kind).ok()?.get("kind")?.as_str()?.to_owned()));
    let answer = match kind {
        Some(kind) => kind.meet(&server, request, next).await,
        None => next.run(request).await,
    };
    if let Some(entry) = server.seen().get_mut(index) {
        (entry.status, entry.fault) = (Some(answer.status().as_u16()), name);
    }
    answer
}

/// The fault for a request. A fault that has been used up is removed.
fn take(server: &Server, request: &Request) -> Option<Kind> {
    let mut faults = server.faults();
    let meets = |fault: &&mut Fault| {
        request.uri().path().starts_with(&fault.path)
            && fault.method.as_ref().is_none_or(|method| request.method() == method.as_str())
    };
    let fault = faults.iter_mut().find(meets)?;
    if fault.after > 0 {
        fault.after -= 1;
        return None;
    }
    fault.count = fault.count.saturating_sub(1);
    let kind = fault.kind.clone();
    faults.retain(|fault| fault.count > 0);
    Some(kind)
}

impl Kind {
    async fn meet(self, server: &Server, mut request: Request, next: Next) -> Response {
        match self {
            Self::Limited { retry_after } => {
                let refusal = Refusal::new(
                    429,
                    "REQUEST_LIMIT_EXCEEDED",
                    "Too many requests. Please wait a moment and try again.",
                );
                waiting(refusal, retry_after)
            }
            Self::Overloaded { retry_after } => {
                let refusal = Refusal::new(503, "TEMPORARILY_UNAVAILABLE", "The service is temporarily unavailable.");
                waiting(refusal, retry_after)
            }
            Self::Truncated { bytes } => truncated(next.run(request).await, bytes).await,
            Self::Endless => {
                let pieces = stream::repeat_with(|| Ok::<_, Infallible>(Bytes::from_static(&[b'x'; 16 << 10])));
                Body::from_stream(pieces).into_response()
            }
            Self::Slow { milliseconds, piece } => {
                slow(next.run(request).await, Duration::from_millis(milliseconds), piece.unwrap_or(16 << 10)).await
            }
            Self::Silent => std::future::pending().await,
            Self::IntegerCode { status } => {
                Refusal::numbered(status.unwrap_or(403), "Invalid access token.").into_response()
            }
            Self::Html { status } => {
                let page = "<!doctype html><html><head><title>Bad Gateway</title></head><body><h1>502 Bad Gateway</h1><pre>upstream: no route</pre></body></html>";
                (code(status.unwrap_or(502)), Html(page)).into_response()
            }
            Self::Text { status } => {
                (code(status.unwrap_or(500)), "INTERNAL_ERROR: the service ended unexpectedly").into_response()
            }
            Self::Empty { status } => code(status.unwrap_or(500)).into_response(),
            Self::Expired => {
                if let Some(token) = bearer(request.headers()) {
                    server.expire(token);
                }
                next.run(request).await
            }
            Self::WrongClock { seconds } => {
                request.extensions_mut().insert(Clock(seconds));
                let mut answer = next.run(request).await;
                let time = Timestamp::now().saturating_add(SignedDuration::from_secs(seconds)).unwrap_or_default();
                let date = rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&time).unwrap_or_default();
                if let Ok(date) = HeaderValue::from_str(&date) {
                    answer.headers_mut().insert(header::DATE, date);
                }
                answer
            }
            Self::Redirect { to } => (StatusCode::FOUND, [(header::LOCATION, to)]).into_response(),
            Self::Error { status, error_code, message } => {
                (code(status), Json(json!({ "error_code": error_code, "message": message }))).into_response()
            }
            Self::Answer { status, body, content_type } => {
                let kind = content_type.unwrap_or_else(|| "application/json".to_owned());
                (code(status), [(header::CONTENT_TYPE, kind)], body).into_response()
            }
        }
    }
}

fn code(status: u16) -> StatusCode {
    StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

fn waiting(refusal: Refusal, retry_after: Option<String>) -> Response {
    match retry_after {
        Some(time) => ([(header::RETRY_AFTER, time)], refusal).into_response(),
        None => refusal.into_response(),
    }
}

/// The complete answer in memory. The answers of this server are small.
async fn whole(answer: Response) -> (axum::http::response::Parts, Bytes) {
    let (parts, body) = answer.into_parts();
    (parts, to_bytes(body, usize::MAX).await.unwrap_or_default())
}

async fn truncated(answer: Response, bytes: Option<usize>) -> Response {
    let (mut parts, body) = whole(answer).await;
    parts.headers.insert(header::CONTENT_LENGTH, body.len().into());
    let end = bytes.unwrap_or(body.len() / 2).min(body.len());
    let broken = io::Error::new(io::ErrorKind::ConnectionReset, "as asked for");
    // The pause lets the first half be sent before the connection breaks.
    let pieces = stream::iter([Ok(body.slice(..end)), Err(broken)]).enumerate().then(|(index, piece)| async move {
        if index > 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        piece
    });
    Response::from_parts(parts, Body::from_stream(pieces))
}

async fn slow(answer: Response, pause: Duration, piece: usize) -> Response {
    let (mut parts, body) = whole(answer).await;
    parts.headers.insert(header::CONTENT_LENGTH, body.len().into());
    let piece = piece.max(1);
    let count = body.len().div_ceil(piece);
    let pieces = stream::iter(0..count).then(move |index| {
        let part = body.slice(index * piece..body.len().min((index + 1) * piece));
        async move {
            tokio::time::sleep(pause).await;
            Ok::<_, Infallible>(part)
        }
    });
    Response::from_parts(parts, Body::from_stream(pieces))
}
