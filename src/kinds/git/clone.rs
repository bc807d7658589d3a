//! Clones a repository beside its folder, and moves the clone to its place.

use std::path::{Path, PathBuf};

use super::{
    checked::{Repository, Revision},
    look::{FolderState, state},
};
use crate::{
    exec::{Cmd, kill_orphans},
    facts::users::Users,
    fs::{self, FsError},
    inventory::below,
    kinds::programs::as_user,
    problem::Problem,
    redact,
    state::{GitReceipt, Receipt},
    steps::{
        Context,
        git::{self, GitSource},
    },
};

/// A folder to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CloneFolder {
    /// The profile that names it.
    pub profile: String,
    /// Its absolute path on the node.
    pub folder: PathBuf,
    /// The repository.
    pub repository: Repository,
    /// The commit that the lock has for its branch or tag.
    pub locked: Option<String>,
    /// Whether a clone of another revision is there.
    pub is_update: bool,
}

/// The action of a step.
pub type Action = CloneFolder;

impl CloneFolder {
    /// The work in one line.
    pub(super) fn title(&self) -> String {
        let verb = if self.is_update { "update" } else { "clone" };
        format!("{verb} {} to {}", self.folder.display(), self.label())
    }

    /// The revision, with its locked commit.
    pub(super) fn label(&self) -> String {
        let label = self.repository.revision.label();
        self.locked.as_ref().map_or(label.clone(), |commit| format!("commit {commit} of {label}"))
    }

    /// The revision to fetch.
    pub(super) fn revision(&self) -> Revision {
        self.locked.clone().map_or_else(|| self.repository.revision.clone(), Revision::Commit)
    }

    /// The temporary folders beside the folder: for the clone, and for the folder that it replaces.
    pub(super) fn temporary(&self, root: &Path) -> [PathBuf; 2] {
        let folder = below(root, &self.folder);
        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        ["new", "old"].map(|which| folder.with_file_name(format!(".nodeagent-git-{which}-{name}")))
    }
}

/// Clones the repository and checks the result.
pub(super) async fn act(ctx: &Context, wanted: &CloneFolder) -> Result<(), Problem> {
    let folder = below(&ctx.root, &wanted.folder);
    let [new, old] = wanted.temporary(&ctx.root);
    let before = state(&ctx.root, &wanted.folder);
    if let FolderState::Repository { uid, .. } = before {
        no_local_changes(ctx, wanted, uid).await?;
    }
    fs::remove_tree(&new)?;
    fs::create_dirs(&new, 0o755)?;
    let repository = &wanted.repository;
    let source = GitSource {
        url: &repository.url,
        revision: &wanted.revision(),
        depth: repository.depth,
        submodules: repository.submodules,
    };
    let commit = git::fetch(ctx, &source, &new).await?;
    if let Some(owner) = &repository.owner {
        let cmd =
            Cmd::new("chown").args(["--recursive", "--no-dereference", owner, "--"]).arg(new.display().to_string());
        git::run(ctx, &cmd).await?;
    }
    fs::remove_tree(&old)?;
    if folder.exists() {
        fs::rename(&folder, &old)?;
    }
    ctx.wait_for_disk(&new)?;
    fs::rename(&new, &folder)?;
    if let Some(above) = folder.parent() {
        fs::sync_folder(above)?;
    }
    fs::remove_tree(&old)?;
    let record = GitReceipt { revision: repository.revision.label(), commit: commit.clone() };
    Receipt::update(&ctx.root, |receipt| receipt.note_git(&wanted.profile, &wanted.folder, record))?;
    match state(&ctx.root, &wanted.folder) {
        FolderState::Repository { head: Some(head), .. } if head == commit => Ok(()),
        _ => Err(Problem::new(format!("`{}` is not at the commit {commit}", wanted.folder.display()))),
    }
}

/// Removes the clone of a killed run. A folder that was moved away and not replaced yet returns to its place.
pub(super) fn clean_up(root: &Path, items: &[String]) -> Result<(), FsError> {
    let [new, old, folder] = items else { return Ok(()) };
    kill_orphans(|args| args.iter().any(|arg| arg == new));
    let (old, folder) = (Path::new(old), below(root, Path::new(folder)));
    if old.exists() && !folder.exists() {
        fs::rename(old, &folder)?;
    }
    fs::remove_tree(old)?;
    fs::remove_tree(Path::new(new))
}

/// Fails if the folder has files that git would not restore. git runs as the owner of the folder: its configuration
/// may name programs.
async fn no_local_changes(ctx: &Context, wanted: &CloneFolder, uid: u32) -> Result<(), Problem> {
    let folder = below(&ctx.root, &wanted.folder);
    let users = Users::read(&ctx.root);
    let owner = users.name_of(uid).and_then(|name| users.user(name)).filter(|user| user.uid != 0);
    if uid != 0 && owner.is_none() {
        return Err(Problem::new(format!("the owner of `{}` does not exist on this node", folder.display())));
    }
    let cmd = Cmd::new("git").args(["status", "--porcelain", "--ignored"]).cwd(&folder);
    let cmd = as_user(cmd, owner);
    let done = ctx.runner.run(&cmd).await.and_then(|done| done.ok(&cmd))?;
    let output = redact::text(&done.stdout);
    let changes: Vec<&str> = output.lines().collect();
    if changes.is_empty() {
        return Ok(());
    }
    let mut problem = Problem::new(format!("`{}` has local changes", wanted.folder.display()));
    problem.causes = changes.iter().take(10).map(|line| (*line).to_owned()).collect();
    Err(problem.hint("commit them elsewhere or remove them; nodeagent replaces the whole folder".to_owned()))
}
