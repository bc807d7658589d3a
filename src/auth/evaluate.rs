//! Decides about requests with as few calls to identity providers as possible.

use std::collections::BTreeSet;

use super::{
    access::Access,
    decision::{AccessRequest, Decision, decide},
    identity::Identity,
};
use crate::cloud::Clouds;

/// The decisions about requests, in the order of the requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evaluation {
    /// The identity. Providers that could not change a decision were not asked.
    pub identity: Identity,
    /// The decisions.
    pub decisions: Vec<Decision>,
}

impl Evaluation {
    /// Whether all requests are allowed.
    pub fn is_granted(&self) -> bool {
        self.decisions.iter().all(|decision| decision.allowed)
    }
}

/// Decides about requests of the node. Asks an identity provider only if its answer can change a decision. Grants for
/// the cluster or a local user cost no call.
pub async fn evaluate(access: &Access, node: Identity, clouds: &Clouds, requests: &[AccessRequest]) -> Evaluation {
    let mut identity = node;
    let decide_all = |identity: &Identity| requests.iter().map(|request| decide(access, identity, request)).collect();
    let mut decisions: Vec<Decision> = decide_all(&identity);
    let denied =
        || requests.iter().zip(&decisions).filter(|(_, decision)| !decision.allowed).map(|(request, _)| request);
    let could_allow: BTreeSet<_> = access.providers_for(denied());
    // A denial lists the identity and the alternatives, which needs the providers of all grants.
    for needed in [could_allow, access.providers()] {
        if decisions.iter().any(|decision| !decision.allowed) && !needed.is_empty() {
            identity.ask(clouds, &needed).await;
            decisions = decide_all(&identity);
        }
    }
    Evaluation { identity, decisions }
}
