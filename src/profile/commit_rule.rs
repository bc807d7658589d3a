//! The rule of a commit of git.

use super::Rules;
use crate::grammar::{document::Part, names};

impl Rules<'_> {
    /// A commit, with its `${…}` replaced.
    pub(crate) fn commit(&mut self, at: &[Part], text: &str) -> Option<String> {
        let commit = self.expanded(at, text)?;
        if !names::is_commit(&commit) {
            let hint = "write all 40 digits, as `git rev-parse HEAD` prints them";
            self.mistake(at, format!("`{commit}` is not a commit"), hint);
            return None;
        }
        Some(commit)
    }
}
