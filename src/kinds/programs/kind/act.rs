//! Implements the contract of kinds for sections of programs: acting.

use std::path::{Path, PathBuf};

use super::program_section::{ProgramKind, ProgramSection};
use crate::{
    fs::FsError,
    inventory::Vault,
    kinds::{
        contract::{Acting, Interruption, LeftBehind, LoginFile},
        no_packages::locks_no_packages,
        programs::{self, Action},
    },
    problem::Problem,
    profile::FileStore,
    steps::Context,
};

impl<K: ProgramKind> Acting for ProgramSection<K> {
    type Prepared = Vec<PathBuf>;

    fn word(_: &Action) -> &'static str {
        K::ROLE.section()
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

    async fn prepare(ctx: &Context, action: &Action) -> Result<Vec<PathBuf>, Problem> {
        Ok(programs::folders(ctx, &action.wanted))
    }

    async fn act(ctx: &Context, action: &Action, _: Vec<PathBuf>, vault: &Vault) -> Result<(), Problem> {
        programs::act(ctx, action, vault).await
    }

    fn leaves_behind(action: &Action, folders: &Vec<PathBuf>) -> LeftBehind {
        programs::leaves_behind(&action.wanted, folders)
    }

    fn clean_up(_: &Path, _: Interruption<'_>, items: &[String]) -> Result<Vec<String>, FsError> {
        programs::clean_up(items)
    }
}
