//! Implements the contract of kinds for `[git]`: acting.

use std::path::{Path, PathBuf};

use super::{
    checked::Git,
    clone::{self, CloneFolder},
    lock,
};
use crate::{
    fs::FsError,
    inventory::Vault,
    kinds::{
        contract::{Acting, Interruption, LeftBehind, LoginFile},
        lock::{LockGroup, LockWork},
    },
    lock::Section,
    problem::Problem,
    profile::FileStore,
    steps::Context,
};

impl Acting for Git {
    type Prepared = [PathBuf; 2];

    fn word(_: &CloneFolder) -> &'static str {
        "git"
    }

    fn title(action: &CloneFolder) -> String {
        action.title()
    }

    fn describe(action: &CloneFolder, _: &FileStore) -> Vec<String> {
        vec![format!("git fetch {} {}", action.repository.url, action.label())]
    }

    fn can_refuse(_: &CloneFolder) -> bool {
        true
    }

    fn fills_layers(_: &CloneFolder) -> bool {
        false
    }

    fn login_file(_: &CloneFolder) -> LoginFile {
        LoginFile::NetrcByHost
    }

    async fn prepare(ctx: &Context, action: &CloneFolder) -> Result<[PathBuf; 2], Problem> {
        // With a lock, the signed lock has the commit.
        if ctx.filestore.trusted().is_on() && action.revision().can_move() {
            let message = format!("with trusted keys, the repository of `{}` needs `commit`", action.folder.display());
            return Err(Problem::refused(message)
                .hint("write the commit: `git ls-remote URL` prints it; or sign a lock".to_owned()));
        }
        Ok(action.temporary(&ctx.root))
    }

    async fn act(ctx: &Context, action: &CloneFolder, _: [PathBuf; 2], _: &Vault) -> Result<(), Problem> {
        clone::act(ctx, action).await
    }

    fn leaves_behind(action: &CloneFolder, [new, old]: &[PathBuf; 2]) -> LeftBehind {
        let paths = [new, old, &action.folder].map(|path| path.display().to_string());
        LeftBehind::items(paths.to_vec())
    }

    async fn lock(
        &self,
        work: &LockWork<'_>,
        groups: Vec<LockGroup<'_, CloneFolder>>,
        section: &mut Section,
    ) -> Result<(), Problem> {
        lock::lock(work, groups, section).await
    }

    fn clean_up(root: &Path, _: Interruption<'_>, items: &[String]) -> Result<Vec<String>, FsError> {
        clone::clean_up(root, items)?;
        Ok(Vec::new())
    }
}
