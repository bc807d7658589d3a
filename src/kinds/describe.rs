//! Shows a step for `plan` and `--dry-run`.

use super::list::Step;
use crate::{plan, profile::FileStore};

/// The commands and diffs of a step, one line each.
pub fn describe(step: &Step, store: &FileStore) -> Vec<String> {
    let login = |used: &plan::Login| {
        let login = &used.login;
        format!("may log in at {} as {} (secret {}/{})", login.url_prefix, login.user, login.scope, login.key)
    };
    step.action.describe(store).into_iter().chain(step.logins.iter().map(login)).collect()
}
