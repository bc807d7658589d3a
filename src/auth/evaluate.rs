//! Decides requests and asks no more clouds than it takes.

use std::collections::BTreeSet;

use super::{Access, AccessRequest, Decision, Identity, decide};
use crate::cloud::Clouds;

/// Principal was judged, and what was decided of each request, in their order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evaluation {
    /// Principal it is, as far as it had to be known.
    pub identity: Identity,
    /// The decisions.
    pub decisions: Vec<Decision>,
}

impl Evaluation {
    /// Whether all requests may be fulfilled.
    pub fn is_granted(&self) -> bool {
        self.decisions.iter().all(|decision| decision.allowed)
    }
}

/// Decides requests of the node. Clouds are asked who it is only as far as that could change something: what the node's
/// own names allow costs no request.
pub async fn evaluate(access: &Access, node: Identity, clouds: &Clouds, requests: &[AccessRequest]) -> Evaluation {
    let mut identity = node;
    let decide_all = |identity: &Identity| requests.iter().map(|request| decide(access, identity, request)).collect();
    let mut decisions: Vec<Decision> = decide_all(&identity);
    let denied =
        || requests.iter().zip(&decisions).filter(|(_, decision)| !decision.allowed).map(|(request, _)| request);
    let that_could_allow: BTreeSet<_> = access.clouds_for(denied());
    // Somebody who is denied is told who they are, and what they may use instead: that takes all that grants speak of.
    for needed in [that_could_allow, access.clouds()] {
        if decisions.iter().any(|decision| !decision.allowed) && !needed.is_empty() {
            identity.ask(clouds, &needed).await;
            decisions = decide_all(&identity);
        }
    }
    Evaluation { identity, decisions }
}
