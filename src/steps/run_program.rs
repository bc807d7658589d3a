//! Runs a program of the node that must succeed, and explains its messages.

use super::Context;
use crate::{
    exec::{Cmd, ExecError},
    problem::Problem,
};

/// A part of a program's message, and the hint for it.
pub(crate) type MessageHint = (&'static str, &'static str);

/// Runs a program.
///
/// # Errors
/// If it cannot be started or fails, with the first hint whose text is in its output.
pub(crate) async fn run_program(ctx: &Context, cmd: &Cmd, hints: &[MessageHint]) -> Result<(), Problem> {
    program_output(ctx, cmd, hints).await.map(drop)
}

/// Runs a program and returns its standard output.
///
/// # Errors
/// See [`run_program`].
pub(crate) async fn program_output(ctx: &Context, cmd: &Cmd, hints: &[MessageHint]) -> Result<String, Problem> {
    let done = ctx.runner.run(cmd).await.and_then(|done| done.ok(cmd));
    done.map(|done| done.stdout).map_err(|error| {
        let hint = match &error {
            ExecError::NotStarted { .. } => Some("install the program on the node: add its package to `[apt]`"),
            _ => hint_for(hints, error.stderr()),
        };
        Problem::from(error).hint(hint.map(str::to_owned))
    })
}

/// The hint for the output of a program.
pub(crate) fn hint_for(hints: &[MessageHint], stderr: &str) -> Option<&'static str> {
    hints.iter().find(|(part, _)| stderr.contains(part)).map(|(_, hint)| *hint)
}
