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
    state::{GitReceipt, Receipt},
    steps::Context,
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
    /// Whether a clone of another revision is there.
    pub is_update: bool,
}

/// The action of a step.
pub type Action = CloneFolder;

impl CloneFolder {
    /// The work in one line.
    pub(super) fn title(&self) -> String {
        let verb = if self.is_update { "update" } else { "clone" };
        format!("{verb} {} to {}", self.folder.display(), self.repository.revision.label())
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
    let commit = fetch(ctx, wanted, &new).await?;
    if let Some(owner) = &wanted.repository.owner {
        let cmd =
            Cmd::new("chown").args(["--recursive", "--no-dereference", owner, "--"]).arg(new.display().to_string());
        run(ctx, &cmd).await?;
    }
    fs::remove_tree(&old)?;
    if folder.exists() {
        fs::rename(&folder, &old)?;
    }
    fs::rename(&new, &folder)?;
    fs::remove_tree(&old)?;
    let record = GitReceipt { revision: wanted.repository.revision.label(), commit: commit.clone() };
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

/// Fetches the revision into a new folder and checks it out. Returns the commit.
async fn fetch(ctx: &Context, wanted: &CloneFolder, new: &Path) -> Result<String, Problem> {
    let repository = &wanted.repository;
    let folder = new.display().to_string();
    // The path among the arguments identifies the processes of a killed run.
    let git = |words: &[&str]| {
        Cmd::new("git").args(["-C", &folder]).args(words.iter().copied()).log(ctx.logs.join("git.log"))
    };
    let depth = format!("--depth={}", repository.depth);
    run(ctx, &git(&["init", "--quiet"])).await?;
    run(ctx, &git(&["remote", "add", "origin", repository.url.as_str()])).await?;
    let shallow = match &repository.revision {
        Revision::Commit(commit) => commit.clone(),
        Revision::Tag(tag) => format!("refs/tags/{tag}:refs/tags/{tag}"),
    };
    let fetched = run_with_login(ctx, git(&["fetch", "--quiet", "--no-tags", &depth, "origin", &shallow])).await;
    match (&repository.revision, fetched) {
        (_, Ok(())) => {}
        // Some servers serve a commit only as a part of a branch.
        (Revision::Commit(_), Err(_)) => {
            let all = "+refs/heads/*:refs/remotes/origin/*";
            run_with_login(ctx, git(&["fetch", "--quiet", "--tags", "origin", all])).await?;
        }
        (Revision::Tag(_), Err(problem)) => return Err(problem),
    }
    let target = match &repository.revision {
        Revision::Commit(commit) => commit.clone(),
        Revision::Tag(tag) => format!("refs/tags/{tag}^{{commit}}"),
    };
    run(ctx, &git(&["checkout", "--quiet", "--detach", &target])).await?;
    if repository.submodules {
        let words = ["submodule", "update", "--quiet", "--init", "--recursive", &depth];
        run_with_login(ctx, git(&words)).await?;
    }
    let head = ctx.runner.run(&git(&["rev-parse", "HEAD"])).await?;
    Ok(head.stdout.trim().to_owned())
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
    let changes: Vec<&str> = done.stdout.lines().collect();
    if changes.is_empty() {
        return Ok(());
    }
    let mut problem = Problem::new(format!("`{}` has local changes", wanted.folder.display()));
    problem.causes = changes.iter().take(10).map(|line| (*line).to_owned()).collect();
    Err(problem.hint("commit them elsewhere or remove them; nodeagent replaces the whole folder".to_owned()))
}

async fn run_with_login(ctx: &Context, cmd: Cmd) -> Result<(), Problem> {
    let configured = std::env::var("GIT_CONFIG_COUNT").ok().and_then(|count| count.parse().ok()).unwrap_or(0);
    run(ctx, &ctx.logins.for_python(cmd, None, configured)?).await
}

async fn run(ctx: &Context, cmd: &Cmd) -> Result<(), Problem> {
    let done = ctx.runner.run(cmd).await.and_then(|done| done.ok(cmd));
    done.map(drop).map_err(|error| {
        let hint = hint(error.stderr());
        Problem::from(error).hint(hint.map(str::to_owned))
    })
}

/// The hint for a message of git.
fn hint(stderr: &str) -> Option<&'static str> {
    const HINTS: [(&str, &str); 4] = [
        ("could not read Username", "the server asks for a login: add one for this address to `[[logins]]`"),
        ("Authentication failed", "the server refuses the login: check its user and its secret in `[[logins]]`"),
        ("couldn't find remote ref", "the repository has no such tag: check `tag`"),
        ("Could not resolve host", "check the address, or the network of the node"),
    ];
    HINTS.iter().find(|(part, _)| stderr.contains(part)).map(|(_, hint)| *hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn real_messages_have_hints() {
        for message in [
            "fatal: could not read Username for 'https://git.example': terminal prompts disabled",
            "remote: HTTP Basic: Access denied\nfatal: Authentication failed for 'https://git.example/x.git/'",
            "fatal: couldn't find remote ref refs/tags/v9",
        ] {
            assert!(hint(message).is_some(), "{message}");
        }
        assert_eq!(hint("fatal: not a git repository"), None);
    }
}
