//! Imports modules after an installation, to check that they are usable.

use std::path::Path;

use jiff::Timestamp;

use super::{hints, installer};
use crate::{exec::Cmd, problem::Problem, steps::Context};

/// The files that imports may leave behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::kinds) enum Trace {
    /// Byte code of the imported modules.
    ByteCode,
    /// No files.
    None,
}

/// Imports each module in a separate process, because an installed distribution may still be unusable.
pub(in crate::kinds) async fn check_imports(
    ctx: &Context,
    interpreter: &Path,
    modules: &[String],
    trace: Trace,
) -> Result<(), Problem> {
    const IMPORT: &str = "import importlib, sys\nfor name in sys.argv[1:]:\n    sys.stderr.write('importing ' + name + '\\n')\n    importlib.import_module(name)\n";
    if modules.is_empty() {
        return Ok(());
    }
    let started = Timestamp::now();
    ctx.progress.now("importing the installed modules", None);
    let cmd =
        Cmd::new(interpreter.to_string_lossy()).args(["-c", IMPORT]).args(modules.iter().map(String::as_str)).cwd("/");
    let cmd = if trace == Trace::None { installer::without_byte_code(cmd) } else { cmd };
    let done = ctx.runner.run(&cmd).await?;
    ctx.progress.task_finished("import", started, done.code == 0);
    if done.code == 0 {
        return Ok(());
    }
    let module =
        done.stderr.lines().filter_map(|line| line.strip_prefix("importing ")).next_back().unwrap_or("a module");
    let reason = done.stderr.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
    Err(Problem::new(format!("`import {module}` fails after the installation"))
        .cause(reason.trim())
        .hint(hints::of(&done.stderr)))
}
