//! Who may have what is kept.

use super::Tier;

/// Who may have an artefact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Visibility {
    /// Whoever reads the shared place.
    Shared,
    /// This node only; and nobody else's is taken in its place.
    NodeOnly,
}

impl Visibility {
    /// The reach of what is, or is not, for this node only.
    pub fn of(private: bool) -> Self {
        if private { Self::NodeOnly } else { Self::Shared }
    }

    /// Where to look for it, in order.
    pub fn tiers(self) -> &'static [Tier] {
        match self {
            Self::Shared => &[Tier::Local, Tier::Shared],
            Self::NodeOnly => &[Tier::Local],
        }
    }
}
