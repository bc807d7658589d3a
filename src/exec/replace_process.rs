//! Replaces this process by another program, for a command that the user runs through nodeagent.

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::{OsStr, OsString},
    os::unix::{ffi::OsStrExt as _, process::CommandExt as _},
    process::Command,
};

use super::ExecError;
use crate::redact::Secret;

/// Replaces this process by a program, with secrets in its environment and without the `withheld` variables. The
/// program takes over the streams, signals and exit status. Returns only if it could not be started.
pub fn replace_process(
    program: &OsStr,
    args: &[OsString],
    secrets: &BTreeMap<String, &Secret>,
    withheld: &BTreeSet<String>,
) -> ExecError {
    #[expect(clippy::disallowed_methods, reason = "only `exec` starts programs")]
    let mut command = Command::new(program);
    command.args(args);
    for name in withheld {
        command.env_remove(name);
    }
    for (name, secret) in secrets {
        command.env(name, OsStr::from_bytes(secret.reveal()));
    }
    let error = command.exec();
    ExecError::NotStarted { program: program.to_string_lossy().into_owned(), reason: error.to_string() }
}
