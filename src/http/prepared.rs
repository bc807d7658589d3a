//! Answers without a network, for fuzz targets: the code that reads answers runs as in a run.

use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
};

use object_store::client::{HttpError as CallError, HttpErrorKind, HttpResponse};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use secrecy::zeroize::Zeroizing;
use url::Url;

use super::{
    answer::Answer,
    client::Client,
    error::{HttpError, HttpProblem},
};

/// An answer of a server.
#[derive(Debug, Clone, Default)]
pub struct PreparedAnswer {
    /// The HTTP status.
    pub status: u16,
    /// The headers. Invalid ones are left out.
    pub headers: Vec<(String, String)>,
    /// The whole body.
    pub body: Vec<u8>,
}

impl PreparedAnswer {
    fn into_answer(self) -> Answer {
        let header = |(name, value): &(String, String)| {
            Some((name.parse::<HeaderName>().ok()?, HeaderValue::from_str(value).ok()?))
        };
        let headers: HeaderMap = self.headers.iter().filter_map(header).collect();
        Answer { status: self.status, body: Zeroizing::new(self.body), headers }
    }
}

/// The answers that are left. `None` for a client with a network.
#[derive(Debug, Default)]
pub(super) struct Prepared(Mutex<Option<VecDeque<PreparedAnswer>>>);

impl Client {
    /// A client that gets these answers, one for each call, and then an error that no retry can help.
    pub fn prepared(answers: impl IntoIterator<Item = PreparedAnswer>) -> Self {
        let mut client = Self::default();
        client.prepared = Prepared(Mutex::new(Some(answers.into_iter().collect())));
        client
    }

    /// The next answer. `None` for a client with a network.
    pub(super) fn next_prepared(&self, url: &Url, limit: usize) -> Option<Result<Answer, HttpError>> {
        let mut answers = self.prepared.0.lock().unwrap_or_else(PoisonError::into_inner);
        let answer = answers.as_mut()?.pop_front();
        let failed = |problem| Err(HttpError::new(url, problem));
        Some(match answer {
            Some(answer) if answer.body.len() > limit => failed(HttpProblem::TooLarge { limit: limit as u64 }),
            Some(answer) => Ok(answer.into_answer()),
            None => failed(HttpProblem::Client("no answer is left".to_owned())),
        })
    }

    /// The next answer for the crate `object_store`.
    pub(super) fn next_prepared_response(&self, url: &Url) -> Option<Result<HttpResponse, CallError>> {
        let answer = self.next_prepared(url, usize::MAX)?;
        let failed = |error: HttpError| CallError::new(HttpErrorKind::Unknown, error);
        Some(answer.map_err(failed).map(|mut answer| {
            let headers = std::mem::take(&mut answer.headers);
            let mut response = HttpResponse::new(answer.into_body().into());
            *response.headers_mut() = headers;
            response
        }))
    }
}
