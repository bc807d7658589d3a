//! How a step fails: in words for people, with the causes below and the remedy beside.

use std::error::Error;

use crate::{diagnostic::Origin, exec::ExecError, fs::FsError, http::HttpError, report::event::Failure};

/// Why a step did not do its work.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct StepError {
    /// What failed, in one line: lower case, no final period.
    pub message: String,
    /// Why, outermost first; then the last lines of a program's own words.
    pub causes: Vec<String>,
    /// What to do.
    pub hint: Option<String>,
    /// A more precise profile line than the step's own.
    pub origin: Option<Origin>,
    /// Whether this was found before anything was changed and must keep the whole run from starting (exit status 2).
    pub refused: bool,
}

impl StepError {
    /// A failure in words.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), causes: Vec::new(), hint: None, origin: None, refused: false }
    }

    /// A refusal: nothing was changed, and nothing may be.
    pub fn refused(message: impl Into<String>) -> Self {
        Self { refused: true, ..Self::new(message) }
    }

    /// Adds an error and all that caused it.
    #[must_use]
    pub fn because(mut self, error: &(dyn Error + 'static)) -> Self {
        let mut next = Some(error);
        while let Some(error) = next {
            self.causes.push(error.to_string());
            if let Some(exec) = error.downcast_ref::<ExecError>() {
                self.causes.extend(exec.stderr().lines().map(str::to_owned));
            }
            next = error.source();
        }
        self
    }

    /// Adds one cause in words.
    #[must_use]
    pub fn cause(mut self, cause: impl Into<String>) -> Self {
        self.causes.push(cause.into());
        self
    }

    /// Adds the remedy, when there is one and none is known yet.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<Option<String>>) -> Self {
        self.hint = self.hint.or(hint.into());
        self
    }

    /// Names a more precise profile line.
    #[must_use]
    pub fn asked_at(mut self, origin: Origin) -> Self {
        self.origin = Some(origin);
        self
    }
}

impl From<ExecError> for StepError {
    fn from(error: ExecError) -> Self {
        let mut shaped = Self::new(error.to_string());
        shaped.causes = error.stderr().lines().map(str::to_owned).collect();
        shaped
    }
}

impl From<HttpError> for StepError {
    fn from(error: HttpError) -> Self {
        let mut shaped = Self::new(error.to_string()).hint(error.hint());
        if let Some(source) = error.source() {
            shaped = shaped.because(source);
        }
        shaped
    }
}

impl From<FsError> for StepError {
    fn from(error: FsError) -> Self {
        let mut shaped = Self::new(error.to_string()).hint(error.hint());
        if let Some(source) = error.source() {
            shaped = shaped.because(source);
        }
        shaped
    }
}

impl From<StepError> for Failure {
    fn from(error: StepError) -> Self {
        Self { message: error.message, causes: error.causes, hint: error.hint, origin: error.origin }
    }
}
