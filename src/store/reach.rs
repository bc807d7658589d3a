//! Who may have what is kept.

use super::Which;

/// Who may have an artefact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Whoever reads the shared place.
    Everybody,
    /// This node only; and nobody else's is taken in its place.
    ThisNode,
}

impl Reach {
    /// The reach of what is, or is not, for this node only.
    pub fn of(private: bool) -> Self {
        if private { Self::ThisNode } else { Self::Everybody }
    }

    /// Where to look for it, in order.
    pub fn places(self) -> &'static [Which] {
        match self {
            Self::Everybody => &[Which::Local, Which::Shared],
            Self::ThisNode => &[Which::Local],
        }
    }
}
