//! Events as lines: the words that the live and the plain view share.

use super::text::{clean, cut};

/// The characters a line of progress may take.
const MOST_CHARACTERS: usize = 160;

/// Why work stands still.
pub(super) fn waiting(lock: &str, holder: &str) -> String {
    cut(&format!("waits for {lock}, held by {holder}"), MOST_CHARACTERS)
}

/// What a step is at, or what it is there for.
pub(super) fn short(text: &str) -> String {
    cut(text, MOST_CHARACTERS)
}

/// What people should know.
pub(super) fn warning(text: &str) -> String {
    format!("warning: {}", clean(text))
}
