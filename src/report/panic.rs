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
    let words = payload.downcast_ref::<&str>().copied();
    let words = words.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("no words were given");
    let place = panic.location().map(|place| format!(" (at {place})")).unwrap_or_default();
    // Captured only if `RUST_BACKTRACE` is set.
    let trace = Backtrace::capture();
    let trace = if trace.status() == BacktraceStatus::Captured { format!("\n{trace}") } else { String::new() };
    format!(
        "error: nodeagent made a mistake of its own: {words}{place}{trace}\nhint: this is a bug; please report it with these lines"
    )
}
