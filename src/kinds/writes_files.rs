//! Acting of the kinds whose only work is to write text files. An action replaces or removes one file atomically, so it
//! needs no preparation, and a killed run leaves at most a partial file beside it.

use std::path::Path;

use super::contract::{Acting, Interruption, LeftBehind, LoginFile, Planning};
use crate::{
    fs::FsError,
    inventory::Vault,
    kinds::no_packages::locks_no_packages,
    plan::WriteFile,
    problem::Problem,
    profile::FileStore,
    steps::{Context, remove_partial_files, write_file},
};

/// A kind whose only work is to write text files.
pub trait WritesFiles: Planning<Action: WritesFile> {
    /// The word for the kind, as in the profile.
    const WORD: &'static str;
}

/// An action that writes one file.
pub trait WritesFile {
    /// The file, below the root.
    fn path(&self) -> &Path;

    /// The action in one line.
    fn title(&self) -> String;

    /// The changes, one line each.
    fn describe(&self) -> Vec<String>;

    /// Writes or removes the file.
    fn write(&self, ctx: &Context, vault: &Vault) -> Result<(), Problem>;
}

impl WritesFile for WriteFile {
    fn path(&self) -> &Path {
        &self.path
    }

    fn title(&self) -> String {
        self.title()
    }

    fn describe(&self) -> Vec<String> {
        self.describe()
    }

    fn write(&self, ctx: &Context, _: &Vault) -> Result<(), Problem> {
        write_file(ctx, self)
    }
}

impl<K: WritesFiles> Acting for K {
    type Prepared = ();

    fn word(_: &K::Action) -> &'static str {
        K::WORD
    }

    fn title(action: &K::Action) -> String {
        action.title()
    }

    fn describe(action: &K::Action, _: &FileStore) -> Vec<String> {
        action.describe()
    }

    fn can_refuse(_: &K::Action) -> bool {
        false
    }

    locks_no_packages!();

    fn login_file(_: &K::Action) -> LoginFile {
        LoginFile::None
    }

    async fn prepare(_: &Context, _: &K::Action) -> Result<(), Problem> {
        Ok(())
    }

    async fn act(ctx: &Context, action: &K::Action, (): (), vault: &Vault) -> Result<(), Problem> {
        action.write(ctx, vault)
    }

    fn leaves_behind(action: &K::Action, (): &()) -> LeftBehind {
        LeftBehind::items(vec![action.path().display().to_string()])
    }

    fn clean_up(_: &Path, _: Interruption<'_>, items: &[String]) -> Result<Vec<String>, FsError> {
        // Files are complete or absent, but a partial file may be next to them.
        remove_partial_files(items)
    }
}
