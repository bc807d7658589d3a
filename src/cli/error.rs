//! The error of a command: its diagnostics and the exit status that follows from it.

use super::Exit;
use crate::{
    diagnostic::Diagnostic,
    problem::Problem,
    report::{
        Console,
        diagnostics::{render, render_reasons},
    },
};

/// Why a command ended early.
#[derive(Debug)]
pub(super) enum CommandError {
    /// Mistakes in arguments or profiles. Nothing was changed.
    Mistakes(Vec<Diagnostic>),
    /// Reasons why the request is denied or impossible. Nothing was changed.
    Refused(Vec<Diagnostic>),
    /// The command failed: the system returned an error, or the output could not be written.
    Failed(Vec<Diagnostic>),
}

impl CommandError {
    pub(super) fn render(&self, console: &Console) -> String {
        match self {
            Self::Mistakes(mistakes) | Self::Failed(mistakes) => render(mistakes, console.colour()),
            Self::Refused(reasons) => render_reasons(reasons, console.colour()),
        }
    }

    /// Its diagnostics as failures of a report.
    pub(super) fn problems(&self) -> Vec<Problem> {
        let (Self::Mistakes(mistakes) | Self::Refused(mistakes) | Self::Failed(mistakes)) = self;
        let problem = |mistake: &Diagnostic| {
            let mistake = mistake.without_hidden_values();
            let (message, hint) = (mistake.message.clone(), mistake.hint.clone());
            Problem { origin: mistake.origin(), ..Problem::refused(message).hint(hint) }.redacted()
        };
        mistakes.iter().map(problem).collect()
    }

    pub(super) fn exit(&self) -> Exit {
        match self {
            Self::Mistakes(_) | Self::Refused(_) => Exit::Refused,
            Self::Failed(_) => Exit::Failed,
        }
    }
}

impl From<Diagnostic> for CommandError {
    fn from(mistake: Diagnostic) -> Self {
        Self::Mistakes(vec![mistake])
    }
}

/// A failure of the system, without a place in a file.
pub(super) fn failed(message: impl Into<String>) -> CommandError {
    CommandError::Failed(vec![Diagnostic::nowhere(message)])
}
