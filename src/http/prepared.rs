//! A client with prepared answers instead of a network, for fuzz targets: the code that reads answers runs as in a run.

use object_store::client::{HttpError as CallError, HttpErrorKind, HttpResponse};
use url::Url;

use super::{
    answer::Answer,
    client::Client,
    error::{HttpError, HttpProblem},
    prepared_answers::{PreparedAnswer, PreparedAnswers},
};

impl Client {
    /// A client that gets these answers, one for each call, and then an error that no retry can help.
    pub fn prepared(answers: impl IntoIterator<Item = PreparedAnswer>) -> Self {
        let mut client = Self::default();
        client.prepared = PreparedAnswers::new(answers);
        client
    }

    /// The next answer. `None` for a client with a network.
    pub(super) fn next_prepared(&self, url: &Url, limit: usize) -> Option<Result<Answer, HttpError>> {
        let answer = self.prepared.take()?;
        let failed = |problem| Err(HttpError::new(url, problem));
        Some(match answer {
            Ok(answer) if answer.body.len() > limit => failed(HttpProblem::TooLarge { limit: limit as u64 }),
            Ok(answer) => Ok(answer.into_answer()),
            Err(why) => failed(HttpProblem::Client(why.to_owned())),
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
