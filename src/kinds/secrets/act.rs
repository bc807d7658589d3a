//! Implements the contract of kinds for secrets: acting.

use std::path::Path;

use super::{checked::Secrets, deliver, secret_file::Action};
use crate::{
    fs::FsError,
    inventory::Vault,
    kinds::{
        contract::{Acting, LeftBehind, LoginFile},
        lock::{LockGroup, LockWork},
    },
    lock,
    problem::Problem,
    profile::FileStore,
    steps::{Context, remove_partial_files},
};

impl Acting for Secrets {
    type Prepared = ();

    fn word(_: &Action) -> &'static str {
        "secret"
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

    fn fills_layers(_: &Action) -> bool {
        false
    }

    fn login_file(_: &Action) -> LoginFile {
        LoginFile::None
    }

    async fn prepare(_: &Context, _: &Action) -> Result<(), Problem> {
        Ok(())
    }

    async fn act(ctx: &Context, action: &Action, (): (), vault: &Vault) -> Result<(), Problem> {
        match action {
            Action::Deliver(wanted) => deliver::deliver(ctx, wanted, vault),
            Action::Remove(wanted) => deliver::remove_delivered(ctx, wanted),
        }
    }

    fn leaves_behind(action: &Action, (): &()) -> LeftBehind {
        LeftBehind::items(vec![action.path().display().to_string()])
    }

    fn clean_up(_: &Path, _: &str, items: &[String]) -> Result<Vec<String>, FsError> {
        // Files are complete or absent, but a partial file may be next to them.
        remove_partial_files(items)
    }

    async fn lock(
        &self,
        _: &LockWork<'_>,
        _: Vec<LockGroup<'_, Action>>,
        _: &mut lock::Section,
    ) -> Result<(), Problem> {
        Ok(())
    }
}
