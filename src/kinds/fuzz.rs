//! The entry function of a fuzz target.

use super::{cert, cron, r, secrets, system};

/// Files of the operating system, outputs of tools, and short texts of profiles.
pub(crate) fn tools(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    system::fuzz::files(data);
    cert::fuzz::keytool(&text);
    r::fuzz::output(&text);
    cron::fuzz::schedule(&text);
    secrets::fuzz::template(&text);
}
