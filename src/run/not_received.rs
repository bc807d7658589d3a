//! Why a file on a server was not received.

use url::Url;

use crate::{lock::bare, problem::Problem, profile::MissingAsset};

/// Why a file was not received.
pub(super) enum NotReceived {
    /// The file, its key or its signature could not be fetched. An optional entry then fails alone.
    Fetch(Problem),
    /// It is not signed as the profile says.
    Signature(Problem),
}

impl NotReceived {
    /// The problem.
    pub(super) fn into_problem(self) -> Problem {
        match self {
            Self::Fetch(problem) | Self::Signature(problem) => problem,
        }
    }

    /// The same with a changed problem.
    pub(super) fn map(self, change: impl FnOnce(Problem) -> Problem) -> Self {
        match self {
            Self::Fetch(problem) => Self::Fetch(change(problem)),
            Self::Signature(problem) => Self::Signature(change(problem)),
        }
    }

    fn as_problem(&self) -> &Problem {
        match self {
            Self::Fetch(problem) | Self::Signature(problem) => problem,
        }
    }
}

impl From<MissingAsset> for NotReceived {
    fn from(asset: MissingAsset) -> Self {
        let problem = Problem::new(asset.message).hint(asset.hint);
        if asset.untrusted { Self::Signature(problem) } else { Self::Fetch(problem) }
    }
}

/// Why one address was not used.
pub(super) struct AddressFailure {
    /// The reason in one line.
    reason: String,
    /// The whole error, for a file with one address.
    error: Box<NotReceived>,
}

impl AddressFailure {
    pub(super) fn new(reason: String, error: NotReceived) -> Self {
        Self { reason, error: Box::new(error) }
    }

    /// The whole error.
    pub(super) fn into_error(self) -> NotReceived {
        *self.error
    }

    /// A failure to fetch something.
    pub(super) fn fetch(problem: Problem) -> Self {
        Self::new(problem.message.clone(), NotReceived::Fetch(problem))
    }

    /// The failure of several addresses. `not_signed` is the message if any address failed because of its signature,
    /// else `not_fetched`.
    pub(super) fn of_all(mut failures: Vec<(Url, Self)>, not_signed: String, not_fetched: String) -> Self {
        if failures.len() == 1
            && let Some((_, only)) = failures.pop()
        {
            return only;
        }
        let causes: Vec<String> =
            failures.iter().map(|(url, failure)| format!("`{}`: {}", bare(url), failure.reason)).collect();
        let errors = || failures.iter().map(|(_, failure)| &*failure.error);
        let is_fetch = errors().all(|error| matches!(error, NotReceived::Fetch(_)));
        let hint = errors().find_map(|error| error.as_problem().hint.clone());
        let reason = causes.join("; ");
        let problem = |message| Problem { causes, ..Problem::new(message) }.hint(hint);
        let error = if is_fetch {
            NotReceived::Fetch(problem(not_fetched))
        } else {
            NotReceived::Signature(problem(not_signed))
        };
        Self::new(reason, error)
    }
}
