//! Answers that a fuzz target has prepared.

use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
};

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use secrecy::zeroize::Zeroizing;

use super::answer::Answer;

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
    pub(super) fn into_answer(self) -> Answer {
        let header = |(name, value): &(String, String)| {
            Some((name.parse::<HeaderName>().ok()?, HeaderValue::from_str(value).ok()?))
        };
        let headers: HeaderMap = self.headers.iter().filter_map(header).collect();
        Answer { status: self.status, body: Zeroizing::new(self.body), headers }
    }
}

/// The answers that are left. `None` for a client with a network.
#[derive(Debug, Default)]
pub(super) struct PreparedAnswers(Mutex<Option<VecDeque<PreparedAnswer>>>);

impl PreparedAnswers {
    pub(super) fn new(answers: impl IntoIterator<Item = PreparedAnswer>) -> Self {
        Self(Mutex::new(Some(answers.into_iter().collect())))
    }

    /// The next answer, or an error if none is left. `None` for a client with a network.
    pub(super) fn take(&self) -> Option<Result<PreparedAnswer, &'static str>> {
        let mut answers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Some(answers.as_mut()?.pop_front().ok_or("no answer is left"))
    }
}
