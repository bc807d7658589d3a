//! The entry function of a fuzz target.

use super::templates;

/// A template.
pub(crate) fn template(text: &str) {
    if let Err((place, ..)) = templates::parse(text) {
        assert!(text.get(place).is_some(), "the mistake is not at a place of the text");
    }
}
