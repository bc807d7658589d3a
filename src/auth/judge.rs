//! Decides wishes and asks no more clouds than it takes.

use std::collections::BTreeSet;

use super::{Access, Decision, Identity, Wish, decide};
use crate::cloud::Clouds;

/// Who was judged, and what was decided of each wish, in their order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement {
    /// Who it is, as far as it had to be known.
    pub identity: Identity,
    /// The decisions.
    pub decisions: Vec<Decision>,
}

impl Judgement {
    /// Whether all wishes may be fulfilled.
    pub fn is_granted(&self) -> bool {
        self.decisions.iter().all(|decision| decision.allowed)
    }
}

/// Decides wishes of the node. Clouds are asked who it is only as far as that could change something: what the node's
/// own names allow costs no request.
pub async fn judge(access: &Access, node: Identity, clouds: &Clouds, wishes: &[Wish]) -> Judgement {
    let mut identity = node;
    let decide_all = |identity: &Identity| wishes.iter().map(|wish| decide(access, identity, wish)).collect();
    let mut decisions: Vec<Decision> = decide_all(&identity);
    let denied = || wishes.iter().zip(&decisions).filter(|(_, decision)| !decision.allowed).map(|(wish, _)| wish);
    let that_could_allow: BTreeSet<_> = access.clouds_for(denied());
    // Somebody who is denied is told who they are, and what they may use instead: that takes all that grants speak of.
    for needed in [that_could_allow, access.clouds()] {
        if decisions.iter().any(|decision| !decision.allowed) && !needed.is_empty() {
            identity.ask(clouds, &needed).await;
            decisions = decide_all(&identity);
        }
    }
    Judgement { identity, decisions }
}
