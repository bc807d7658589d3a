//! The parts of the contract of kinds that both sections of programs share.

use std::{collections::BTreeMap, path::PathBuf};

use super::{
    action::{DesiredProgram, Role},
    checked::{Programs, Source},
    execute::paths,
    plan::options,
    show,
    written::ProgramEntry,
};
use crate::{
    plan::StepOptions,
    profile::{Cases, CreatedBy, NamedAsset, Page, Rules, SecretUse, key, united},
    steps::Context,
};

/// The entries of a section as written.
pub type WrittenPrograms = BTreeMap<String, Cases<ProgramEntry>>;

impl Programs {
    /// Checks the entries of a file.
    pub(in crate::kinds) fn check(role: Role, written: &WrittenPrograms, rules: &mut Rules<'_>) -> Self {
        rules.programs(role, written)
    }

    /// The names of entries for `after` and `before`.
    pub(in crate::kinds) fn names(role: Role, written: &WrittenPrograms) -> Vec<String> {
        written.keys().map(|name| format!("{}.{name}", role.section())).collect()
    }

    /// The parent's entries, with the child's in place of those of the same name, then the child's own.
    pub(in crate::kinds) fn merged(parent: Self, child: Self) -> Self {
        Self(united(parent.0, child.0, |program| program.name.clone()))
    }

    /// Prints the entries.
    pub(in crate::kinds) fn show(&self, role: Role, page: &mut Page) {
        page.section(role.section());
        for entry in &self.0 {
            page.value(&key(&entry.value.name), &show::table(&entry.value), &entry.origin);
        }
    }

    /// The files of the file store. The content of a hook is read to plan, because it decides whether the hook runs.
    pub(in crate::kinds) fn files(&self, role: Role) -> Vec<NamedAsset<'_>> {
        let mut files = Vec::new();
        for entry in &self.0 {
            if let Source::File(file) = &entry.value.source {
                let named = NamedAsset::read_to_plan(file, &entry.origin, entry.optional);
                // A file on a server has a digest in the profile or in the lock.
                let read_to_plan = role == Role::Hook && file.urls.is_empty();
                let created_by = CreatedBy::steps_before(entry);
                files.push(NamedAsset { read_to_plan, created_by, ..named });
            }
        }
        files
    }

    /// The secrets that entries use.
    pub(in crate::kinds) fn secret_uses(&mut self) -> Vec<SecretUse<'_>> {
        let mut uses = Vec::new();
        for entry in &mut self.0 {
            let (origin, optional) = (&entry.origin, entry.optional);
            uses.extend(entry.value.secrets_mut().map(|secret| SecretUse { secret, origin, optional }));
        }
        uses
    }

    /// The options of all steps.
    pub(in crate::kinds) fn outline(&self, role: Role) -> Vec<StepOptions> {
        self.0.iter().map(|entry| options(role, entry)).collect()
    }
}

/// The folders of a program that a killed run may leave.
pub(in crate::kinds) fn folders(ctx: &Context, wanted: &DesiredProgram) -> Vec<PathBuf> {
    paths(&ctx.cache, &ctx.root, &wanted.key()).to_vec()
}
