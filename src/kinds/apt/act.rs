//! Implements the contract of kinds for apt: acting and locking.

use std::path::Path;

use super::{
    action::{Action, AptInstall},
    checked::Apt,
    removal, source_keys, sources, transaction,
};
use crate::{
    fs::FsError,
    inventory::Vault,
    kinds::{
        contract::{Acting, Interruption, LeftBehind, LoginFile},
        lock::{Identity, LockGroup, LockWork},
    },
    lock::{self, LockedDeb},
    problem::Problem,
    profile::FileStore,
    steps::Context,
};

/// The result of preparing an apt step.
pub enum Prepared {
    /// The keys of sources are verified.
    Sources,
    /// A transaction.
    Install(transaction::Prepared),
    /// The removal changes no other package.
    Remove,
}

impl Acting for Apt {
    type Prepared = Prepared;

    fn word(_: &Action) -> &'static str {
        "apt"
    }

    fn title(action: &Action) -> String {
        action.title()
    }

    fn describe(action: &Action, store: &FileStore) -> Vec<String> {
        action.describe(store)
    }

    fn can_refuse(action: &Action) -> bool {
        match action {
            Action::Sources(_) | Action::Install(_) | Action::Remove(_) => true,
        }
    }

    fn fills_layers(action: &Action) -> bool {
        match action {
            Action::Sources(_) | Action::Remove(_) => false,
            Action::Install(_) => true,
        }
    }

    fn login_file(_: &Action) -> LoginFile {
        LoginFile::Netrc
    }

    async fn prepare(ctx: &Context, action: &Action) -> Result<Prepared, Problem> {
        match action {
            Action::Sources(wanted) => source_keys::read(wanted).map(|_| Prepared::Sources),
            Action::Install(wanted) => transaction::prepare(ctx, wanted).await.map(Prepared::Install),
            Action::Remove(wanted) => removal::prepare(ctx, wanted).await.map(|()| Prepared::Remove),
        }
    }

    async fn act(ctx: &Context, action: &Action, prepared: Prepared, _: &Vault) -> Result<(), Problem> {
        match (action, prepared) {
            (Action::Sources(wanted), _) => sources::act(ctx, wanted).await,
            (Action::Install(wanted), Prepared::Install(prepared)) => transaction::act(ctx, wanted, prepared).await,
            (Action::Remove(wanted), _) => removal::act(ctx, wanted).await,
            (Action::Install(_), Prepared::Sources | Prepared::Remove) => {
                Err(Problem::new("packages were prepared as other work; this is a bug in nodeagent, please report it"))
            }
        }
    }

    fn leaves_behind(_: &Action, _: &Prepared) -> LeftBehind {
        // dpkg repairs itself when apt acts again.
        LeftBehind::default()
    }

    fn clean_up(_: &Path, _: Interruption<'_>, _: &[String]) -> Result<Vec<String>, FsError> {
        Ok(Vec::new())
    }

    async fn lock(
        &self,
        work: &LockWork<'_>,
        groups: Vec<LockGroup<'_, Action>>,
        section: &mut lock::Section,
    ) -> Result<(), Problem> {
        for group in &groups {
            if let Action::Sources(sources) = group.action {
                work.context_of(group).await?;
                source_keys::read(sources)?;
            }
        }
        if work.is_unchanged(&["apt ", "deb "]) {
            section.apt.clone_from(&work.base.apt);
            return Ok(());
        }
        let installs = groups.iter().filter_map(|group| match group.action {
            Action::Sources(_) | Action::Remove(_) => None,
            Action::Install(install) => Some(group.with(install)),
        });
        let keep: Vec<LockedDeb> = work.base.apt.iter().filter(|deb| !work.upgrade.moves(&deb.name)).cloned().collect();
        let identity = Identity { key: |deb: &LockedDeb| (&deb.name, &deb.arch), only_for: |deb| &mut deb.only_for };
        let together = |required: &AptInstall, wanted: &AptInstall| AptInstall {
            packages: [required.packages.clone(), wanted.packages.clone()].concat(),
            debs: [required.debs.clone(), wanted.debs.clone()].concat(),
            ..wanted.clone()
        };
        let resolve = async |ctx: &Context, both: &AptInstall, _: bool| super::lock(ctx, both, &keep).await;
        section.apt = work.resolve(installs.collect(), &identity, together, resolve).await?;
        Ok(())
    }
}
