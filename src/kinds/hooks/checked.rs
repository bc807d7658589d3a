//! `[hooks]` as checked.

use crate::kinds::programs::Programs;

/// Hooks, in the order of the profile.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Hooks(pub Programs);

impl Hooks {
    /// A recommendation for each hook that has no check that its work is done.
    pub fn without_proof(&self) -> impl Iterator<Item = String> {
        let hooks = self.0.0.iter().filter(|entry| entry.value.proof.is_empty());
        hooks.map(|entry| {
            format!(
                "the hook `{}` at {} has no check, so it runs once for each content; `creates`, `unless` or `version` \
                 would prove its result",
                entry.value.name, entry.origin
            )
        })
    }
}
