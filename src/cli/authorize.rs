//! Authorization of commands outside a run. Decisions and fetches are recorded in the audit log.

use super::{CommandError, Env, target::this_node};
use crate::{
    auth::{Access, AccessRequest, AuditLog, Decision, Denial, Evaluation, Identity, evaluate},
    diagnostic::Diagnostic,
    fs::FsError,
    secrets::{Address, SecretError},
};

/// Requests with their decisions.
pub(super) struct Authorization {
    pub(super) access: Access,
    pub(super) identity: Identity,
    pub(super) requests: Vec<AccessRequest>,
    pub(super) decisions: Vec<Decision>,
    log: Option<AuditLog>,
}

/// Decides about requests. If the audit log cannot be written, prints a warning.
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
        warn_if_incomplete(env, written.collect::<Result<(), _>>());
    }
    Ok(authorization)
}

impl Authorization {
    /// The denial of a request. `None` if it is allowed.
    pub(super) fn denial(&self, index: usize) -> Option<Denial> {
        let denied = || Denial::new(&self.access, &self.identity, &self.requests[index]);
        (!self.decisions[index].allowed).then(denied)
    }

    /// Fails unless all requests are allowed.
    pub(super) fn require_all(self) -> Result<Self, CommandError> {
        let denied: Vec<Diagnostic> =
            (0..self.requests.len()).filter_map(|index| self.denial(index)).map(Diagnostic::from).collect();
        if denied.is_empty() { Ok(self) } else { Err(CommandError::Refused(denied)) }
    }

    /// Records the fetch of a secret for a request.
    pub(super) fn fetched(&mut self, env: &Env, index: usize, address: &Address, failure: Option<&SecretError>) {
        if let Some(log) = &mut self.log {
            warn_if_incomplete(env, log.fetched(&self.identity, address, None, self.decisions.get(index), failure));
        }
    }
}

fn warn_if_incomplete(env: &Env, written: Result<(), FsError>) {
    if let Err(error) = written {
        env.console.stderr.print(&format!("warning: the audit log is incomplete: {error}\n"));
    }
}
