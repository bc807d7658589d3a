//! Visibility of artefacts.

use super::Tier;

/// The nodes that may read an artefact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Visibility {
    /// All nodes that read the shared store.
    Shared,
    /// This node only. Artefacts of other nodes are not used in its place.
    NodeOnly,
}

impl Visibility {
    /// The visibility of private or public content.
    pub fn of(private: bool) -> Self {
        if private { Self::NodeOnly } else { Self::Shared }
    }

    /// The tiers to search, in order.
    pub fn tiers(self) -> &'static [Tier] {
        match self {
            Self::Shared => &[Tier::Local, Tier::Shared],
            Self::NodeOnly => &[Tier::Local],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_artefacts_stay_on_the_node() {
        assert_eq!(Visibility::of(true).tiers(), [Tier::Local]);
        assert_eq!(Visibility::of(false).tiers(), [Tier::Local, Tier::Shared]);
    }
}
