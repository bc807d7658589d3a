//! Acting of the kinds whose only work is to write text files: it replaces each file atomically.

use std::path::Path;

use super::{
    contract::{Acting, LeftBehind, LoginFile, Planning},
    lock::{LockGroup, LockWork},
};
use crate::{
    fs::FsError,
    inventory::Vault,
    lock,
    plan::WriteFile,
    problem::Problem,
    profile::FileStore,
    steps::{Context, remove_partial_files, write_file},
};

/// A kind whose only work is to write text files.
pub trait WritesFiles: Planning<Action = WriteFile> {
    /// The word for the kind, as in the profile.
    const WORD: &'static str;
}

impl<K: WritesFiles> Acting for K {
    type Prepared = ();

    fn word(_: &WriteFile) -> &'static str {
        K::WORD
    }

    fn title(action: &WriteFile) -> String {
        action.title()
    }

    fn describe(action: &WriteFile, _: &FileStore) -> Vec<String> {
        action.describe()
    }

    fn can_refuse(_: &WriteFile) -> bool {
        false
    }

    fn fills_layers(_: &WriteFile) -> bool {
        false
    }

    fn login_file(_: &WriteFile) -> LoginFile {
        LoginFile::None
    }

    async fn prepare(_: &Context, _: &WriteFile) -> Result<(), Problem> {
        Ok(())
    }

    async fn act(_: &Context, action: &WriteFile, (): (), _: &Vault) -> Result<(), Problem> {
        write_file(action)
    }

    fn leaves_behind(action: &WriteFile, (): &()) -> LeftBehind {
        LeftBehind::items(vec![action.path.display().to_string()])
    }

    fn clean_up(_: &Path, _: &str, items: &[String]) -> Result<Vec<String>, FsError> {
        // Files are complete or absent, but a partial file may be next to them.
        remove_partial_files(items)
    }

    async fn lock(
        &self,
        _: &LockWork<'_>,
        _: Vec<LockGroup<'_, WriteFile>>,
        _: &mut lock::Section,
    ) -> Result<(), Problem> {
        Ok(())
    }
}
