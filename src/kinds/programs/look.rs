//! The state of the node that programs need: their checks, and the files that they watch.

use std::collections::BTreeMap;

use super::{
    checked::{Program, Programs},
    checks::{missing_path, unmet},
    content::watch_digest,
};
use crate::{exec::SystemRunner, kinds::contract::LookAt, profile::Entry};

/// The state of the node that programs need, by entry.
#[derive(Debug, Default)]
pub struct Look(pub(super) BTreeMap<String, ProgramLook>);

/// The state of the node that a program needs.
#[derive(Debug, Default)]
pub(super) struct ProgramLook {
    /// Why its work is not done, by its checks. `None` if all of them hold, or if it has none.
    pub unmet: Option<String>,
    /// The digest of the files that it watches.
    pub watched: String,
}

/// Looks at the node. Only `unless` and `version` start a program, and only if all paths of `creates` exist.
pub(in crate::kinds) fn look(programs: &Programs, at: &LookAt<'_>) -> Look {
    let one = |entry: &Entry<Program>| {
        let program = &entry.value;
        let look = ProgramLook { unmet: unmet_now(program, at), watched: watch_digest(at.root, &program.watch) };
        (program.name.clone(), look)
    };
    Look(programs.0.iter().map(one).collect())
}

fn unmet_now(program: &Program, at: &LookAt<'_>) -> Option<String> {
    let proof = &program.proof;
    let missing = missing_path(at.root, proof);
    if missing.is_some() || (proof.unless.is_none() && proof.version.is_none()) {
        return missing;
    }
    let user = program.user.as_ref().and_then(|user| at.users.user(user));
    // This thread is not one of a runtime.
    match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => {
            let runner = SystemRunner::new(None, at.withheld.iter().cloned());
            runtime.block_on(unmet(&runner, at.root, program, user))
        }
        Err(error) => Some(format!("its checks cannot run: {error}")),
    }
}
