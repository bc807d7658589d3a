//! The texts of event lines, shared by the live and the plain view.

use super::text::{clean, cut};

/// The maximum length of a progress line in characters.
const MAX_CHARACTERS: usize = 160;

/// The text for a wait.
pub(super) fn waiting(lock: &str, holder: &str) -> String {
    cut(&format!("waits for {lock}, held by {holder}"), MAX_CHARACTERS)
}

/// A step's activity or title, shortened.
pub(super) fn short(text: &str) -> String {
    cut(text, MAX_CHARACTERS)
}

/// The text of a warning.
pub(super) fn warning(text: &str) -> String {
    format!("warning: {}", clean(text))
}
