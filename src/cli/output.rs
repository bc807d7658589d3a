//! Prints the answers of commands to standard output.

use super::{
    Exit,
    error::{CommandError, failed},
};

/// Prints data.
pub(super) fn print(text: &str) -> Result<Exit, CommandError> {
    crate::report::stdout(text).map_err(|error| failed(format!("the output could not be written: {error}")))?;
    Ok(Exit::Done)
}

/// Prints a value as JSON.
pub(super) fn print_json(value: &impl serde::Serialize) -> Result<Exit, CommandError> {
    let text = serde_json::to_string_pretty(value);
    print(&(text.map_err(|error| failed(format!("the output could not be written: {error}")))? + "\n"))
}
