//! The entry function of a fuzz target.

use super::{crontab, schedule};

/// A schedule and a value of a crontab.
pub(crate) fn schedule(text: &str) {
    if let Ok(parsed) = schedule::parse(text) {
        assert_eq!(schedule::parse(&parsed), Ok(parsed.clone()), "a written schedule is another one");
    }
    crontab::quoted_value(text);
}
