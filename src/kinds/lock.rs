//! Resolves the exact files of a profile, in the same way for all kinds of packages.

use std::{collections::BTreeSet, sync::Arc};

use crate::{
    diagnostic::Origin,
    digest::Digest,
    lock::Section,
    plan::{Login, Stage, StepId},
    problem::Problem,
    steps::{Context, stage},
};

/// The packages whose locked versions may change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Upgrade {
    /// None that need not.
    Nothing,
    /// These.
    Names(BTreeSet<String>),
    /// All.
    All,
}

impl Upgrade {
    /// Whether the version of a package may change.
    pub fn moves(&self, name: &str) -> bool {
        match self {
            Self::Nothing => false,
            Self::Names(names) => names.contains(name),
            Self::All => true,
        }
    }
}

/// A step whose packages are to be locked.
#[derive(Debug)]
pub struct LockGroup<'a, A> {
    /// The optional entry that it is for; `None` for the required entries.
    pub optional: Option<String>,
    /// Its action.
    pub action: &'a A,
    /// Its name.
    pub id: &'a StepId,
    /// The files to stage first.
    pub stage: &'a [Stage],
    /// The logins it may need.
    pub logins: &'a [Login],
    /// Its profile lines.
    pub origins: &'a [Origin],
}

impl<'a, A> LockGroup<'a, A> {
    /// The same step with another type of action.
    pub(super) fn with<B>(&self, action: &'a B) -> LockGroup<'a, B> {
        let Self { optional, id, stage, logins, origins, .. } = self;
        LockGroup { optional: optional.clone(), action, id, stage, logins, origins }
    }

    /// A problem of the step, with its first profile line.
    pub(super) fn asked_here(&self, problem: Problem) -> Problem {
        match self.origins.first() {
            Some(origin) => problem.asked_at(origin.clone()),
            None => problem,
        }
    }
}

/// The inputs of a resolution.
pub struct LockWork<'a> {
    /// The context of all steps.
    pub ctx: &'a Context,
    /// The packages that may move.
    pub upgrade: &'a Upgrade,
    /// The section before.
    pub base: &'a Section,
    /// The requests and files of the new section.
    pub section: &'a Section,
    /// Warns the user about an omitted entry.
    pub warn: Arc<dyn Fn(String) + Send + Sync>,
}

/// The identity of a kind's packages.
pub(super) struct Identity<L> {
    /// The name and the suffix that identify a package.
    pub(super) key: fn(&L) -> (&str, &str),
    /// The optional entries that it is for.
    pub(super) only_for: fn(&mut L) -> &mut BTreeSet<String>,
}

impl LockWork<'_> {
    /// Whether the requests to a tool are unchanged, so that the locked packages remain valid. `tools` are the first
    /// words of the requests.
    pub(super) fn is_unchanged(&self, tools: &[&str]) -> bool {
        let of = |section: &Section| -> Vec<(String, Option<Digest>)> {
            let asks = section.asks.iter().filter(|ask| tools.iter().any(|tool| ask.starts_with(tool)));
            let path = |ask: &str| ask.split_once(' ').map(|(_, what)| what.trim_end_matches(" (optional)").to_owned());
            let digest = |ask: &String| section.asset(&path(ask)?).map(|asset| asset.sha256.clone());
            asks.map(|ask| (ask.clone(), digest(ask))).collect()
        };
        *self.upgrade == Upgrade::Nothing && of(self.base) == of(self.section)
    }

    /// A step's context, after its files are staged.
    pub(super) async fn context_of<A>(&self, group: &LockGroup<'_, A>) -> Result<Context, Problem> {
        let mut ctx = self.ctx.clone();
        ctx.progress = ctx.progress.of_other_step(group.id.to_string());
        ctx.logins = ctx.logins.of_step(group.logins);
        stage(&ctx, group.stage).await?;
        Ok(ctx)
    }

    /// Resolves the required entries, then each optional entry together with the required ones. An optional entry that
    /// cannot be resolved is omitted with a warning. `together` adds the required work to that of an optional entry.
    pub(super) async fn resolve<A: Clone, L>(
        &self,
        mut groups: Vec<LockGroup<'_, A>>,
        identity: &Identity<L>,
        together: impl Fn(&A, &A) -> A,
        mut resolve: impl AsyncFnMut(&Context, &A, bool) -> Result<Vec<L>, Problem>,
    ) -> Result<Vec<L>, Problem> {
        groups.sort_by_key(|group| group.optional.is_some());
        let mut all: Vec<L> = Vec::new();
        let mut required: Option<A> = None;
        for group in groups {
            let ctx = self.context_of(&group).await?;
            let both = required.as_ref().map_or_else(|| group.action.clone(), |first| together(first, group.action));
            match (resolve(&ctx, &both, group.optional.is_some()).await, group.optional) {
                (Ok(found), None) => (all, required) = (found, Some(both)),
                (Ok(found), Some(name)) => add(&mut all, found, &name, identity),
                (Err(error), Some(name)) => self.left_out(&name, &error),
                (Err(error), None) => return Err(error),
            }
        }
        Ok(all)
    }

    /// Warns about an optional entry that could not be resolved.
    pub(super) fn left_out(&self, name: &str, error: &Problem) {
        let cause = error.causes.last().map(|cause| format!(": {cause}")).unwrap_or_default();
        (self.warn)(format!(
            "`{name}` is optional and could not be resolved; the lock has nothing for it ({error}{cause})"
        ));
    }
}

/// Adds the packages that only an optional entry needs.
fn add<L>(all: &mut Vec<L>, found: Vec<L>, name: &str, identity: &Identity<L>) {
    for mut one in found {
        if let Some(known) = all.iter_mut().find(|known| (identity.key)(known) == (identity.key)(&one)) {
            // A required package stays required.
            let names = (identity.only_for)(known);
            if !names.is_empty() {
                names.insert(name.to_owned());
            }
            continue;
        }
        (identity.only_for)(&mut one).insert(name.to_owned());
        all.push(one);
    }
}
