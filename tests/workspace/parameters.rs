//! The parameters of a request: its query, or its JSON body. Errors have the format of the workspace.

use std::{collections::BTreeMap, str::FromStr};

use axum::{
    body::Bytes,
    extract::{FromRequest, FromRequestParts, Query, Request},
    http::request::Parts,
};
use serde::de::DeserializeOwned;

use crate::answer::Refusal;

/// The parameters in the query.
pub(crate) struct QueryParameters(BTreeMap<String, String>);

impl QueryParameters {
    /// A required parameter.
    pub(crate) fn text(&self, name: &str) -> Result<&str, Refusal> {
        match self.0.get(name).map(String::as_str) {
            Some(value) if !value.is_empty() => Ok(value),
            _ => Err(Refusal::invalid(format!("Missing required field: {name}"))),
        }
    }

    /// An optional parameter.
    pub(crate) fn maybe(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// An optional number.
    pub(crate) fn number<T: FromStr>(&self, name: &str) -> Result<Option<T>, Refusal> {
        let number = |text: &str| text.parse().map_err(|_| Refusal::invalid(format!("{name} is not a number: {text}")));
        self.maybe(name).map(number).transpose()
    }
}

impl<S: Send + Sync> FromRequestParts<S> for QueryParameters {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let query = Query::from_request_parts(parts, state).await;
        query.map(|Query(pairs)| Self(pairs)).map_err(|error| Refusal::invalid(error.to_string()))
    }
}

/// A JSON body.
pub(crate) struct JsonBody<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for JsonBody<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, state: &S) -> Result<Self, Refusal> {
        let malformed =
            |why: String| Refusal::new(400, "MALFORMED_REQUEST", format!("Invalid JSON given in the body: {why}"));
        let bytes = Bytes::from_request(request, state).await.map_err(|error| malformed(error.to_string()))?;
        serde_json::from_slice(&bytes).map(Self).map_err(|error| malformed(error.to_string()))
    }
}
