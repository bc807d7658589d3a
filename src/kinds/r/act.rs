//! Implements the contract of kinds for R: acting and locking.

use std::{collections::BTreeMap, path::Path};

use super::{
    action::RInstall,
    checked::R,
    library_install::{self, Prepared},
};
use crate::{
    fs::FsError,
    inventory::Vault,
    kinds::{
        contract::{Acting, Interruption, LeftBehind, LoginFile},
        lock::{Identity, LockGroup, LockWork},
    },
    lock::{self, LockedRPackage},
    problem::Problem,
    profile::FileStore,
    steps::Context,
};

impl Acting for R {
    type Prepared = Prepared;

    fn word(_: &RInstall) -> &'static str {
        "r"
    }

    fn title(action: &RInstall) -> String {
        action.title()
    }

    fn describe(action: &RInstall, store: &FileStore) -> Vec<String> {
        action.describe(store)
    }

    fn can_refuse(_: &RInstall) -> bool {
        true
    }

    fn fills_layers(_: &RInstall) -> bool {
        true
    }

    fn login_file(action: &RInstall) -> LoginFile {
        // The agent's own requests need none.
        if action.uses_git() { LoginFile::NetrcByHost } else { LoginFile::None }
    }

    async fn prepare(ctx: &Context, action: &RInstall) -> Result<Prepared, Problem> {
        library_install::prepare(ctx, action).await
    }

    async fn act(ctx: &Context, action: &RInstall, prepared: Prepared, _: &Vault) -> Result<(), Problem> {
        library_install::act(ctx, action, prepared).await
    }

    fn leaves_behind(action: &RInstall, prepared: &Prepared) -> LeftBehind {
        let library = action.library.display().to_string();
        let items = std::iter::once(library).chain(prepared.package_names()).collect();
        LeftBehind { items, staging: prepared.staging() }
    }

    fn clean_up(_: &Path, how: Interruption<'_>, items: &[String]) -> Result<Vec<String>, FsError> {
        if let Some((library, packages)) = items.split_first() {
            super::clean_up_interrupted(Path::new(library), packages, how.is_rebooted)?;
        }
        Ok(Vec::new())
    }

    async fn lock(
        &self,
        work: &LockWork<'_>,
        groups: Vec<LockGroup<'_, RInstall>>,
        section: &mut lock::Section,
    ) -> Result<(), Problem> {
        if work.is_unchanged(&["r "]) {
            section.r.clone_from(&work.base.r);
            return Ok(());
        }
        let keep = work.base.r.iter().filter(|package| !work.upgrade.moves(&package.name));
        let keep: BTreeMap<String, String> =
            keep.map(|package| (package.name.clone(), package.version.clone())).collect();
        let asset = |path: &Path| {
            let named = self.sources.iter().find(|entry| Path::new(&entry.value.path).file_name() == path.file_name());
            named.map(|entry| entry.value.path.clone())
        };
        let identity =
            Identity { key: |package: &LockedRPackage| (&package.name, ""), only_for: |package| &mut package.only_for };
        let together = |required: &RInstall, wanted: &RInstall| {
            let mut both = wanted.clone();
            both.packages.extend(required.packages.iter().cloned());
            both.archives.extend(required.archives.iter().cloned());
            both.git.extend(required.git.iter().cloned());
            both
        };
        let resolve = async |ctx: &Context, both: &RInstall, _: bool| super::lock(ctx, both, &keep, asset).await;
        section.r = work.resolve(groups, &identity, together, resolve).await?;
        Ok(())
    }
}
