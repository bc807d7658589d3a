//! The problem of a failed installer.

use super::{hints, index_auth, python_install::PythonInstall};
use crate::{exec::ExecError, problem::Problem, steps::Context};

/// The problem of a failed installer, with a hint. An index that refuses a login or answers with a web page takes
/// precedence, because it explains other messages.
pub(super) async fn installer_problem(
    ctx: &Context,
    wanted: &PythonInstall,
    message: &str,
    error: &ExecError,
) -> Problem {
    let failed = Problem::new(message).because(error);
    match index_auth::explanation(ctx, wanted, error.stderr()).await {
        Some((cause, hint)) => failed.cause(cause).hint(hint),
        None => failed.hint(hints::of(error.stderr())).hint(error.hint()),
    }
}
