//! A failure described for people: the message, the causes, a hint, and the profile line that requested the work.
//!
//! Every error that reaches a person becomes a [`Problem`]: a step that failed, and a run that was refused.

use std::error::Error;

use serde::{Deserialize, Serialize};

use crate::{diagnostic::Origin, exec::ExecError, fs::FsError, http::HttpError, task::TaskError};

/// A failure with its causes and a hint. Its JSON form is part of the event and report formats.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct Problem {
    /// The failure in one line: lower case, no final period.
    pub message: String,
    /// Why, outermost first; then the last lines of a program's output.
    pub causes: Vec<String>,
    /// A hint for the user.
    pub hint: Option<String>,
    /// The profile line that requested the work. `None`: the line of the step.
    pub origin: Option<Origin>,
    /// Whether the problem was found before anything was changed and must keep the whole run from starting (exit status
    /// 2).
    #[serde(skip)]
    pub refused: bool,
}

impl Problem {
    /// A problem that fails a step.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), causes: Vec::new(), hint: None, origin: None, refused: false }
    }

    /// A problem that refuses the run: nothing was changed, and nothing may be.
    pub fn refused(message: impl Into<String>) -> Self {
        Self { refused: true, ..Self::new(message) }
    }

    /// The same problem, which now refuses the run.
    #[must_use]
    pub fn refusing(self) -> Self {
        Self { refused: true, ..self }
    }

    /// A problem made from an error: its message, and its sources as causes.
    pub fn from_error(error: &(dyn Error + 'static)) -> Self {
        let problem = Self::new(error.to_string());
        match error.source() {
            Some(source) => problem.because(source),
            None => problem,
        }
    }

    /// Adds an error and its sources as causes. The output of a program follows its error. A program that was killed
    /// gives the hint, because its output does not explain the failure.
    #[must_use]
    pub fn because(mut self, error: &(dyn Error + 'static)) -> Self {
        let mut next = Some(error);
        while let Some(error) = next {
            self.causes.push(error.to_string());
            if let Some(exec) = error.downcast_ref::<ExecError>() {
                self.causes.extend(exec.stderr().lines().map(str::to_owned));
                self = self.hint(exec.hint());
            }
            next = error.source();
        }
        self
    }

    /// Adds one cause.
    #[must_use]
    pub fn cause(mut self, cause: impl Into<String>) -> Self {
        self.causes.push(cause.into());
        self
    }

    /// Adds a hint, if there is one and the problem has none yet.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<Option<String>>) -> Self {
        self.hint = self.hint.or(hint.into());
        self
    }

    /// The failure and its causes in one line.
    pub fn one_line(&self) -> String {
        let causes = self.causes.iter().map(String::as_str);
        std::iter::once(self.message.as_str()).chain(causes).collect::<Vec<_>>().join(": ")
    }

    /// Names the profile line that asked for it.
    #[must_use]
    pub fn asked_at(mut self, origin: Origin) -> Self {
        self.origin = Some(origin);
        self
    }
}

impl From<ExecError> for Problem {
    fn from(error: ExecError) -> Self {
        let mut problem = Self::new(error.to_string());
        problem.causes = error.stderr().lines().map(str::to_owned).collect();
        problem.hint(error.hint())
    }
}

impl From<HttpError> for Problem {
    fn from(error: HttpError) -> Self {
        Self::from_error(&error).hint(error.hint())
    }
}

impl From<TaskError> for Problem {
    fn from(error: TaskError) -> Self {
        Self::from_error(&error)
    }
}

impl From<FsError> for Problem {
    fn from(error: FsError) -> Self {
        Self::from_error(&error).hint(error.hint())
    }
}
