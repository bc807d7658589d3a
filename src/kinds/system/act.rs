//! Implements the contract of kinds for `[system]`: acting.

use std::path::Path;

use super::{action::Action, checked::System};
use crate::{
    fs::FsError,
    inventory::Vault,
    kinds::{
        contract::{Acting, Interruption, LeftBehind, LoginFile},
        no_packages::locks_no_packages,
    },
    problem::Problem,
    profile::FileStore,
    steps::{Context, remove_partial_files, write_file},
};

impl Acting for System {
    type Prepared = ();

    fn word(_: &Action) -> &'static str {
        "system"
    }

    fn title(action: &Action) -> String {
        action.title()
    }

    fn describe(action: &Action, _: &FileStore) -> Vec<String> {
        action.describe()
    }

    fn can_refuse(_: &Action) -> bool {
        false
    }

    locks_no_packages!();

    fn login_file(_: &Action) -> LoginFile {
        LoginFile::None
    }

    async fn prepare(_: &Context, _: &Action) -> Result<(), Problem> {
        Ok(())
    }

    async fn act(ctx: &Context, action: &Action, (): (), _: &Vault) -> Result<(), Problem> {
        match action {
            Action::File(file) => write_file(ctx, file),
            Action::Sysctl(values) => values.act(ctx),
            Action::Timezone(zone) => zone.act(ctx),
            Action::Hostname(name) => name.act(ctx).await,
            Action::Swap(swap) => swap.act(ctx).await,
            Action::Mount(mount) => mount.act(ctx).await,
            Action::Alternative(program) => program.act(ctx).await,
            Action::LinkerCache(cache) => cache.act(ctx).await,
            Action::TakeBack(taken) => taken.act(ctx).await,
        }
    }

    fn leaves_behind(action: &Action, (): &()) -> LeftBehind {
        LeftBehind::items(action.written().iter().map(|path| path.display().to_string()).collect())
    }

    fn clean_up(_: &Path, _: Interruption<'_>, items: &[String]) -> Result<Vec<String>, FsError> {
        // Files are complete or absent, and the present state shows every other part of the work.
        remove_partial_files(items)
    }
}
