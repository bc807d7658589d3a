//! Reports panics of nodeagent itself, without the secrets that their messages may contain.

use std::{
    backtrace::{Backtrace, BacktraceStatus},
    panic::{self, PanicHookInfo},
};

use super::Stderr;

/// Installs a panic hook that prints the panic to this stream with secrets redacted, and asks the user to report it.
pub fn install_panic_hook(stderr: Stderr) {
    panic::set_hook(Box::new(move |panic| stderr.print(&describe(panic))));
}

fn describe(panic: &PanicHookInfo<'_>) -> String {
    let payload = panic.payload();
    let message = payload.downcast_ref::<&str>().copied();
    let message =
        message.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("it has no message");
    let location = panic.location().map(|location| format!(" (at {location})")).unwrap_or_default();
    // Captured only if `RUST_BACKTRACE` is set.
    let trace = Backtrace::capture();
    let trace = if trace.status() == BacktraceStatus::Captured { format!("\n{trace}") } else { String::new() };
    format!(
        "error: nodeagent made a mistake of its own: {message}{location}{trace}\nhint: this is a bug; please report it with these lines"
    )
}
