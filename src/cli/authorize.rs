//! Decides what a command outside a run wants to use, and writes that down: the same way for all of them.

use super::{CommandError, Env, target::this_node};
use crate::{
    auth::{Access, AccessRequest, AuditLog, Decision, Denial, Evaluation, Identity, evaluate},
    diagnostic::Diagnostic,
    fs::FsError,
    secrets::{Address, SecretError},
};

/// Wishes, and what was decided of each.
pub(super) struct Authorization {
    pub(super) access: Access,
    pub(super) identity: Identity,
    pub(super) requests: Vec<AccessRequest>,
    pub(super) decisions: Vec<Decision>,
    log: Option<AuditLog>,
}

/// Decides requests, all at once. A log that cannot be written is told, and nothing more.
pub(super) fn authorize(
    env: &Env,
    access: Access,
    requests: Vec<AccessRequest>,
    command: &'static str,
) -> Result<Authorization, CommandError> {
    let node = Identity::of_node(&this_node(env), &env.root);
    let Evaluation { identity, decisions } = env.block_on(evaluate(&access, node, env.clouds(), &requests))?;
    let mut authorization = Authorization { access, identity, requests, decisions, log: env.audit(command) };
    if let Some(log) = &mut authorization.log {
        let decided = authorization.requests.iter().zip(&authorization.decisions);
        let written = decided.map(|(request, decision)| log.decided(&authorization.identity, request, None, decision));
        tell(env, written.collect::<Result<(), _>>());
    }
    Ok(authorization)
}

impl Authorization {
    /// Why a request was denied, if it was.
    pub(super) fn denial(&self, index: usize) -> Option<Denial> {
        let denied = || Denial::new(&self.access, &self.identity, &self.requests[index]);
        (!self.decisions[index].allowed).then(denied)
    }

    /// Ends the command unless every request is granted.
    pub(super) fn granted(self) -> Result<Self, CommandError> {
        let denied: Vec<Diagnostic> =
            (0..self.requests.len()).filter_map(|index| self.denial(index)).map(Diagnostic::from).collect();
        if denied.is_empty() { Ok(self) } else { Err(CommandError::Refused(denied)) }
    }

    /// Writes down that a secret was fetched for a request, or why not.
    pub(super) fn fetched(&mut self, env: &Env, index: usize, address: &Address, failure: Option<&SecretError>) {
        if let Some(log) = &mut self.log {
            tell(env, log.fetched(&self.identity, address, None, self.decisions.get(index), failure));
        }
    }
}

fn tell(env: &Env, written: Result<(), FsError>) {
    if let Err(error) = written {
        env.console.stderr.print(&format!("warning: the audit log is incomplete: {error}\n"));
    }
}
