//! A section of programs, generic over its kind.

use std::{fmt::Debug, marker::PhantomData};

use schemars::JsonSchema;
use serde::de::DeserializeOwned;

use crate::kinds::programs::{action::Role, checked::Programs, section::WrittenPrograms};

/// A kind whose section contains programs.
pub trait ProgramKind: Clone + Debug + Default + PartialEq + Eq + 'static {
    /// The keys as written.
    type Written: Clone + Default + DeserializeOwned + JsonSchema;
    /// The names of the top-level keys.
    const KEYS: &'static [&'static str];
    /// The role of the programs.
    const ROLE: Role;

    /// The entries as written.
    fn entries(written: &Self::Written) -> &WrittenPrograms;
}

/// The programs of a section.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ProgramSection<K> {
    /// The programs.
    pub programs: Programs,
    kind: PhantomData<K>,
}

impl<K> From<Programs> for ProgramSection<K> {
    fn from(programs: Programs) -> Self {
        Self { programs, kind: PhantomData }
    }
}
