//! The request log. A credential is replaced by its owner, so that a test can check which credentials were sent.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Json, Router,
    extract::{Request, State},
    routing::get,
};
use serde::Serialize;

use crate::{oidc::basic, server::Server};

pub(crate) fn routes() -> Router<Arc<Server>> {
    Router::new().route("/_log", get(all).delete(forget))
}

/// A logged request.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Seen {
    method: String,
    path: String,
    query: String,
    headers: BTreeMap<String, String>,
    /// The status of the answer, if there is one.
    pub(crate) status: Option<u16>,
    /// The fault that was applied.
    pub(crate) fault: Option<String>,
}

impl Seen {
    /// A request without its credentials.
    pub(crate) fn new(server: &Server, request: &Request) -> Self {
        let headers = request.headers();
        let mut shown = BTreeMap::new();
        for (name, value) in headers {
            let value = value.to_str().unwrap_or("not text");
            let value = match name.as_str() {
                "authorization" => match (value.split_once(' '), basic(headers)) {
                    (Some(("Bearer", token)), _) => format!("Bearer {}", principal(server, token)),
                    (Some(("Basic", _)), Some((user, _))) => format!("Basic {user}"),
                    _ => "unknown".to_owned(),
                },
                "x-databricks-azure-sp-management-token" => principal(server, value),
                name if name.contains("secret") || name.contains("cookie") || name.contains("identity-header") => {
                    "hidden".to_owned()
                }
                _ => value.to_owned(),
            };
            shown.insert(name.as_str().to_owned(), value);
        }
        Self {
            method: request.method().to_string(),
            path: request.uri().path().to_owned(),
            query: request.uri().query().unwrap_or_default().to_owned(),
            headers: shown,
            status: None,
            fault: None,
        }
    }
}

fn principal(server: &Server, token: &str) -> String {
    server.holder(token).map_or("unknown".to_owned(), |holder| format!("{} of {}", holder.resource, holder.principal))
}

async fn all(State(server): State<Arc<Server>>) -> Json<Vec<Seen>> {
    Json(server.seen().clone())
}

async fn forget(State(server): State<Arc<Server>>) -> Json<Vec<Seen>> {
    Json(std::mem::take(&mut *server.seen()))
}
