//! The packages of a profile: requirements and wheel files.

use crate::{
    facts::python::normalised,
    profile::{AssetRef, quoted},
};

/// A requirement of the profile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Package {
    /// The requirement as pip reads it.
    pub text: String,
    /// Whether its dependencies are installed, too.
    pub deps: bool,
}

impl Package {
    /// The normalised name of the distribution.
    pub(super) fn name(&self) -> String {
        requirement_name(&self.text)
    }

    /// As in the profile.
    pub(super) fn shown(&self) -> String {
        let name = quoted(&self.text);
        if self.deps { name } else { format!("{{ name = {name}, deps = false }}") }
    }
}

/// A wheel file of the profile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WheelFile {
    /// The file.
    pub file: AssetRef,
    /// Whether its dependencies are installed, too.
    pub deps: bool,
}

/// The normalised distribution name of a requirement. A child overrides its parent's entries by this name.
pub(super) fn requirement_name(text: &str) -> String {
    let end = text.find(|c: char| !(c.is_alphanumeric() || matches!(c, '-' | '_' | '.'))).unwrap_or(text.len());
    normalised(&text[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distributions_are_compared_by_normalised_name() {
        assert_eq!(requirement_name("Scikit_Learn[x]>=1"), "scikit-learn");
        assert_eq!(requirement_name("a.b--c @ https://x"), "a-b-c");
    }
}
