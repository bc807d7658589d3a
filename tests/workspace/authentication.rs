//! Authentication: from a bearer token to a principal.

use std::sync::Arc;

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, request::Parts},
};

use crate::{
    answer::Refusal,
    server::{AZURE_DATABRICKS, Server, WORKSPACE, now},
    workspace_state::Principal,
};

/// An authenticated principal.
pub(crate) struct Caller(pub(crate) Principal);

/// A verified token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Holder {
    /// The owner.
    pub(crate) principal: String,
    /// `pat`, or the resource that the token was issued for.
    pub(crate) resource: String,
    is_expired: bool,
}

/// The header for a second token, which authorizes a principal that may manage the Azure resource.
const MANAGEMENT: &str = "x-databricks-azure-sp-management-token";

impl Server {
    /// The owner of a token.
    pub(crate) fn holder(&self, token: &str) -> Option<Holder> {
        let state = self.state();
        let personal = state.principals.iter().find(|principal| principal.tokens.iter().any(|known| known == token));
        if let Some(principal) = personal {
            return Some(Holder { principal: principal.name.clone(), resource: "pat".into(), is_expired: false });
        }
        let issued = self.issued().get(token).cloned()?;
        let is_expired = issued.expires <= now();
        Some(Holder { principal: issued.principal, resource: issued.resource, is_expired })
    }

    /// Invalidates a token.
    pub(crate) fn expire(&self, token: &str) {
        for principal in &mut self.state().principals {
            principal.tokens.retain(|known| known != token);
        }
        if let Some(issued) = self.issued().get_mut(token) {
            issued.expires = 0;
        }
    }

    fn caller(&self, headers: &HeaderMap) -> Result<Caller, Refusal> {
        let unsent = "Credential was not sent or was of an unsupported type for this API.";
        let token = bearer(headers).ok_or_else(|| Refusal::numbered(401, unsent))?;
        let invalid = || Refusal::numbered(403, "Invalid access token.");
        let holder = self.holder(token).ok_or_else(invalid)?;
        if holder.is_expired {
            return Err(Refusal::new(401, "UNAUTHENTICATED", "Token is expired."));
        }
        let is_for_us = [WORKSPACE, AZURE_DATABRICKS, "pat"].contains(&holder.resource.as_str());
        let second = headers.get(MANAGEMENT).and_then(|value| value.to_str().ok());
        let seconded = second.map(|token| self.holder(token));
        let is_seconded = seconded.is_none_or(|second| {
            second.is_some_and(|second| second.principal == holder.principal && second.resource.contains("management"))
        });
        let principal = self.state().principal(&holder.principal).cloned();
        principal.filter(|_| is_for_us && is_seconded).map(Caller).ok_or_else(invalid)
    }
}

/// The token of a request.
pub(crate) fn bearer(headers: &HeaderMap) -> Option<&str> {
    headers.get("authorization")?.to_str().ok()?.strip_prefix("Bearer ")
}

impl FromRequestParts<Arc<Server>> for Caller {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, server: &Arc<Server>) -> Result<Self, Refusal> {
        server.caller(&parts.headers)
    }
}
