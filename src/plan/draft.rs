//! The steps of one kind of work, and the work of the kinds that were planned before.

use std::path::{Path, PathBuf};

use super::{
    phase::Resource,
    step::{Step, is_among},
    step_id::StepId,
};
use crate::{diagnostic::Origin, problem::Problem};

/// The steps of one kind.
#[derive(Debug)]
pub struct Draft<A> {
    /// The steps, without their dependencies.
    pub steps: Vec<Step<A>>,
    /// Entries that need no work.
    pub ready: Vec<String>,
    /// The reasons to refuse the run.
    pub refusals: Vec<Problem>,
    /// The files that the profile writes, with and without work.
    pub written_files: Vec<(PathBuf, Origin)>,
    /// The items that the profile makes, with and without work.
    pub items: Vec<MadeItem>,
}

/// An item that an entry of the profile makes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MadeItem {
    /// Its path on the node.
    pub path: PathBuf,
    /// The part of the file.
    pub part: String,
    /// The entry, as in `after`.
    pub entry: String,
}

/// The work of the kinds that were planned before, for kinds that react to changes of others.
#[derive(Debug, Default)]
pub struct EarlierWork {
    /// The steps.
    pub steps: Vec<EarlierStep>,
    /// The files that the profile writes, with and without work.
    pub written_files: Vec<(PathBuf, Origin)>,
    /// See [`Draft::items`].
    pub items: Vec<MadeItem>,
}

/// A step of a kind that was planned before.
#[derive(Debug)]
pub struct EarlierStep {
    /// Its name.
    pub id: StepId,
    /// See [`Step::entries`].
    pub entries: Vec<String>,
    /// See [`Step::creates`].
    pub creates: Vec<Resource>,
}

impl EarlierWork {
    /// The step that writes a path.
    pub fn writer_of(&self, path: &Path) -> Option<&EarlierStep> {
        let used = Resource::Path(path.to_owned());
        self.steps.iter().find(|step| step.creates.iter().any(|created| created.is_needed_for(&used)))
    }

    /// Whether a step installs a Debian package that the profile names.
    pub fn installs(&self, package: &str) -> bool {
        let is_package = |created: &Resource| matches!(created, Resource::Package(name) if name == package);
        self.steps.iter().any(|step| step.creates.iter().any(is_package))
    }

    /// A step that carries out an entry or a section.
    pub fn step_of(&self, name: &str) -> Option<&EarlierStep> {
        self.steps.iter().find(|step| is_among(&step.entries, name))
    }

    /// Adds the steps and the text files of a kind.
    pub fn add<A>(&mut self, draft: &Draft<A>) {
        self.steps.extend(draft.steps.iter().map(|step| EarlierStep {
            id: step.id.clone(),
            entries: step.entries.clone(),
            creates: step.creates.clone(),
        }));
        self.written_files.extend(draft.written_files.iter().cloned());
        self.items.extend(draft.items.iter().cloned());
    }
}
