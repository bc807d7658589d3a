//! The contract between the profile and the kinds of work: the grammar of one kind, and of all kinds together.
//!
//! The traits have no default methods, so that a kind that leaves out a part does not compile.

use std::{fmt::Debug, sync::Arc};

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::DeserializeOwned;
use url::Url;

use super::{
    Assets, Entry, Login, NamedAsset, RunStage, assets, fetched_by_name::FetchedByName, page::Page, rules::Rules,
    secret_ref::SecretUse, unencrypted_source::UnencryptedSource,
};
use crate::{
    diagnostic::{Diagnostic, Origin},
    facts::NodeFacts,
    grammar::{Keys, document::Document},
    problem::Problem,
};

/// The grammar of one kind: its top-level keys of a profile, as written and as checked.
pub trait Section: Clone + Debug + Default + PartialEq + Eq {
    /// The keys as written: each field is a top-level key of the profile.
    type Written: Clone + Default + DeserializeOwned + JsonSchema;
    /// The names of the top-level keys.
    const KEYS: &'static [&'static str];
    /// Whether a lock depends on these keys, and so on the facts that their conditions use.
    const LOCKED: bool;

    /// Whether its entries may have a `stage`.
    const STAGED: bool;

    /// Removes the entries of other stages.
    fn retain_stage(&mut self, stage: RunStage);

    /// Adds to a file the values that it omits and the extended file has. Runs before either file is checked.
    fn inherit(written: &mut Self::Written, parent: &Self::Written);

    /// The names of all entries as written, whether or not they apply to this node. `after` and `before` may use them,
    /// also with their `${…}` replaced.
    fn entry_names(written: &Self::Written) -> Vec<String>;

    /// Checks the keys of one file. Mistakes are reported and left out.
    fn check(written: &Self::Written, rules: &mut Rules<'_>) -> Self;

    /// Merges the section of a profile into that of the profile that it extends. The child takes precedence.
    fn merge(parent: Self, child: Self) -> Self;

    /// Adds values to the merged section that come from files of the file store.
    fn complete(&mut self, assets: &Assets<'_>, found: &mut Vec<Diagnostic>);

    /// Checks rules of the merged profile that involve entries of several files or kinds.
    fn check_whole(&self, whole: &Whole<'_>, found: &mut Vec<Diagnostic>);

    /// Prints the section for `check --show`.
    fn show(&self, page: &mut Page);

    /// Every file of the file store that the section names.
    fn assets(&self) -> Vec<NamedAsset<'_>>;

    /// The package indexes of tools that support only one login for each host.
    fn indexes(&self) -> Vec<(&Url, &Origin)>;

    /// The entries that are fetched by name, without a digest.
    fn fetched_by_name(&self) -> Vec<FetchedByName<'_>>;

    /// The sources without encryption whose content no digest of the profile covers. apt verifies its sources with
    /// keys.
    fn unencrypted_sources(&self) -> Vec<UnencryptedSource<'_>>;

    /// The logins that the section defines.
    fn logins(&self) -> &[Entry<Login>];

    /// The secrets of the scope of `[secrets]` that entries of the section use. Their sources are filled in when the
    /// whole profile is read.
    fn secret_uses(&mut self) -> Vec<SecretUse<'_>>;
}

/// The grammar of all kinds together. The list of kinds implements it.
pub trait Sections: Clone + Debug + Default + PartialEq + Eq {
    /// All keys as written.
    type Written: Clone + Default;

    /// Reads the keys of all kinds from a text of the right shape.
    ///
    /// # Errors
    /// If a value does not fit its type.
    fn read(keys: &mut Keys<'_>) -> Result<Self::Written, toml::de::Error>;

    /// The JSON Schema of each kind's keys. Those of kinds that are not present have no shape.
    fn schemas(generator: &mut SchemaGenerator, is_present: &dyn Fn(&[&str]) -> bool) -> Vec<Schema>;

    /// The Python interpreter of the node, unless the profile names another one.
    const INTERPRETER: &'static str;

    /// The Python interpreter that a file names, as written.
    fn interpreter(written: &Self::Written) -> Option<&str>;

    /// See [`Section::inherit`].
    fn inherit(written: &mut Self::Written, parent: &Self::Written);

    /// See [`Section::entry_names`].
    fn entry_names(written: &Self::Written) -> Vec<String>;

    /// See [`Section::check`].
    fn check(written: &Self::Written, rules: &mut Rules<'_>) -> Self;

    /// See [`Section::merge`].
    #[must_use]
    fn merge(parent: Self, child: Self) -> Self;

    /// Removes the entries of other stages. Values that a run of any stage needs stay: variables of the run,
    /// certificates, and the sources of secrets.
    fn retain_stage(&mut self, stage: RunStage);

    /// See [`Section::complete`].
    fn complete(&mut self, assets: &assets::Assets<'_>, found: &mut Vec<Diagnostic>);

    /// See [`Section::check_whole`].
    fn check_whole(&self, whole: &Whole<'_>, found: &mut Vec<Diagnostic>);

    /// See [`Section::show`].
    fn show(&self, page: &mut Page);

    /// See [`Section::assets`].
    fn assets(&self) -> Vec<NamedAsset<'_>>;

    /// See [`Section::indexes`].
    fn indexes(&self) -> Vec<(&Url, &Origin)>;

    /// See [`Section::fetched_by_name`].
    fn fetched_by_name(&self) -> Vec<FetchedByName<'_>>;

    /// See [`Section::unencrypted_sources`].
    fn unencrypted_sources(&self) -> Vec<UnencryptedSource<'_>>;

    /// See [`Section::logins`].
    fn logins(&self) -> Vec<&Entry<Login>>;
}

/// The other data that rules of the merged profile may read, besides their own section.
#[derive(Debug)]
pub struct Whole<'a> {
    /// The node.
    pub facts: &'a NodeFacts,
    /// The logins of all sections.
    pub logins: Vec<&'a Entry<Login>>,
    /// The package indexes of all sections.
    pub indexes: Vec<(&'a Url, &'a Origin)>,
    /// The files of the profile.
    pub(crate) documents: Vec<&'a Document>,
}

impl Whole<'_> {
    /// The mistake that a problem describes, at its profile line.
    pub(crate) fn mistake(&self, problem: Problem) -> Diagnostic {
        let Problem { message, causes, hint, origin, .. } = problem;
        let place = origin.and_then(|origin| {
            let found = |document: &&Document| Some((Arc::clone(&document.source), document.span_at(&origin)?));
            self.documents.iter().find_map(found)
        });
        Diagnostic { place, ..Diagnostic::nowhere(message).causes(causes).maybe_hint(hint) }
    }
}
