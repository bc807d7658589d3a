//! Decides what a command outside a run wants to use, and writes that down: the same way for all of them.

use super::{Env, Stopped, target::this_node};
use crate::{
    auth::{Access, AuditLog, Decision, Denial, Identity, Judgement, Wish, judge},
    diagnostic::Diagnostic,
    fs::FsError,
    secrets::{Address, SecretError},
};

/// Wishes, and what was decided of each.
pub(super) struct Judged {
    pub(super) access: Access,
    pub(super) identity: Identity,
    pub(super) wishes: Vec<Wish>,
    pub(super) decisions: Vec<Decision>,
    log: Option<AuditLog>,
}

/// Decides wishes, all at once. A log that cannot be written is told, and nothing more.
pub(super) fn judged(env: &Env, access: Access, wishes: Vec<Wish>, command: &'static str) -> Result<Judged, Stopped> {
    let node = Identity::of_node(&this_node(env), &env.root);
    let Judgement { identity, decisions } = env.block_on(judge(&access, node, env.clouds(), &wishes))?;
    let mut judged = Judged { access, identity, wishes, decisions, log: env.audit(command) };
    if let Some(log) = &mut judged.log {
        let decided = judged.wishes.iter().zip(&judged.decisions);
        let written = decided.map(|(wish, decision)| log.decided(&judged.identity, wish, None, decision));
        tell(env, written.collect::<Result<(), _>>());
    }
    Ok(judged)
}

impl Judged {
    /// Why a wish was denied, if it was.
    pub(super) fn denial(&self, index: usize) -> Option<Denial> {
        let denied = || Denial::new(&self.access, &self.identity, &self.wishes[index]);
        (!self.decisions[index].allowed).then(denied)
    }

    /// Ends the command unless every wish is granted.
    pub(super) fn granted(self) -> Result<Self, Stopped> {
        let denied: Vec<Diagnostic> =
            (0..self.wishes.len()).filter_map(|index| self.denial(index)).map(Diagnostic::from).collect();
        if denied.is_empty() { Ok(self) } else { Err(Stopped::Refused(denied)) }
    }

    /// Writes down that a secret was fetched for a wish, or why not.
    pub(super) fn fetched(&mut self, env: &Env, index: usize, address: &Address, failure: Option<&SecretError>) {
        if let Some(log) = &mut self.log {
            tell(env, log.fetched(&self.identity, address, None, self.decisions.get(index), failure));
        }
    }
}

fn tell(env: &Env, written: Result<(), FsError>) {
    if let Err(error) = written {
        env.talk.stderr.talk(&format!("warning: the audit log is incomplete: {error}\n"));
    }
}
