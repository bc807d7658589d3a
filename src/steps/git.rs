//! Fetches a revision of a git repository, with the git of the node.

use std::path::Path;

use url::Url;

use super::{
    Context,
    run_program::{MessageHint, program_output, run_program},
};
use crate::{
    exec::{Cmd, inherited},
    problem::Problem,
};

/// A revision of a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Revision {
    /// A commit.
    Commit(String),
    /// A tag.
    Tag(String),
    /// A branch.
    Branch(String),
}

impl Revision {
    /// Whether it may name another commit later: a branch or a tag.
    pub fn can_move(&self) -> bool {
        !matches!(self, Self::Commit(_))
    }

    /// The revision for messages and for the receipt.
    pub fn label(&self) -> String {
        match self {
            Self::Commit(commit) => format!("commit {commit}"),
            Self::Tag(tag) => format!("tag {tag}"),
            Self::Branch(branch) => format!("branch {branch}"),
        }
    }
}

/// A revision of a repository to fetch.
pub(crate) struct GitSource<'a> {
    /// The address of the repository.
    pub(crate) url: &'a Url,
    /// The revision.
    pub(crate) revision: &'a Revision,
    /// The number of commits to fetch.
    pub(crate) depth: u32,
    /// Whether submodules are fetched, too.
    pub(crate) submodules: bool,
}

/// Fetches the revision into a new folder and checks it out. Returns the commit.
pub(crate) async fn fetch(ctx: &Context, wanted: &GitSource<'_>, new: &Path) -> Result<String, Problem> {
    let folder = new.display().to_string();
    // The path among the arguments identifies the processes of a killed run.
    let git = |words: &[&str]| {
        Cmd::new("git").args(["-C", &folder]).args(words.iter().copied()).log(ctx.logs.join("git.log"))
    };
    let depth = format!("--depth={}", wanted.depth);
    run(ctx, &git(&["init", "--quiet"])).await?;
    run(ctx, &git(&["remote", "add", "origin", wanted.url.as_str()])).await?;
    let shallow = match wanted.revision {
        Revision::Commit(commit) => commit.clone(),
        Revision::Tag(tag) => format!("refs/tags/{tag}:refs/tags/{tag}"),
        Revision::Branch(branch) => format!("refs/heads/{branch}:refs/remotes/origin/{branch}"),
    };
    let fetched = run_with_login(ctx, git(&["fetch", "--quiet", "--no-tags", &depth, "origin", &shallow])).await;
    match (wanted.revision, fetched) {
        (_, Ok(())) => {}
        // Some servers serve a commit only as a part of a branch.
        (Revision::Commit(_), Err(_)) => {
            let all = "+refs/heads/*:refs/remotes/origin/*";
            run_with_login(ctx, git(&["fetch", "--quiet", "--tags", "origin", all])).await?;
        }
        (Revision::Tag(_) | Revision::Branch(_), Err(problem)) => return Err(problem),
    }
    let target = match wanted.revision {
        Revision::Commit(commit) => commit.clone(),
        Revision::Tag(tag) => format!("refs/tags/{tag}^{{commit}}"),
        Revision::Branch(branch) => format!("refs/remotes/origin/{branch}"),
    };
    run(ctx, &git(&["checkout", "--quiet", "--detach", &target])).await?;
    if wanted.submodules {
        let words = ["submodule", "update", "--quiet", "--init", "--recursive", &depth];
        run_with_login(ctx, git(&words)).await?;
    }
    let head = ctx.runner.run(&git(&["rev-parse", "HEAD"])).await?;
    Ok(head.stdout.trim().to_owned())
}

/// Asks the server for the commit of a revision.
///
/// # Errors
/// If the repository cannot be read, or has no such revision.
pub(crate) async fn commit_of(ctx: &Context, url: &Url, revision: &Revision) -> Result<String, Problem> {
    let reference = match revision {
        Revision::Commit(commit) => return Ok(commit.clone()),
        Revision::Tag(tag) => format!("refs/tags/{tag}"),
        Revision::Branch(branch) => format!("refs/heads/{branch}"),
    };
    // The second line of an annotated tag has the commit, the first one has the tag object.
    let peeled = format!("{reference}^{{}}");
    let cmd = Cmd::new("git").args(["ls-remote", "--quiet", "--", url.as_str(), &reference, &peeled]);
    let cmd = with_login(ctx, cmd.log(ctx.logs.join("git.log")))?;
    let listed = program_output(ctx, &cmd, HINTS).await?;
    let of = |name: &str| {
        let mut lines = listed.lines().filter_map(|line| line.split_once('\t'));
        lines.find(|(_, listed)| *listed == name).map(|(commit, _)| commit.to_owned())
    };
    of(&peeled).or_else(|| of(&reference)).ok_or_else(|| {
        let problem = Problem::new(format!("`{url}` has no `{}`", revision.label()));
        problem.hint(format!("`git ls-remote {url}` lists its branches and tags"))
    })
}

async fn run_with_login(ctx: &Context, cmd: Cmd) -> Result<(), Problem> {
    run(ctx, &with_login(ctx, cmd)?).await
}

fn with_login(ctx: &Context, cmd: Cmd) -> Result<Cmd, Problem> {
    let configured = inherited("GIT_CONFIG_COUNT").and_then(|count| count.to_str()?.parse().ok()).unwrap_or(0);
    ctx.logins.for_python_and_git(cmd, None, configured)
}

/// Runs a command. The hint of the error is from the output of git.
pub(crate) async fn run(ctx: &Context, cmd: &Cmd) -> Result<(), Problem> {
    run_program(ctx, cmd, HINTS).await
}

/// The hints for messages of git.
const HINTS: &[MessageHint] = &[
    ("reference is not a tree", "the repository has no such commit: check `commit`"),
    ("unable to read tree", "the repository has no such commit: check `commit`"),
    ("could not read Username", "the server asks for a login: add one for this address to `[[logins]]`"),
    ("Authentication failed", "the server refuses the login: check its user and its secret in `[[logins]]`"),
    ("couldn't find remote ref", "the repository has no such tag: check `tag`"),
    ("Could not resolve host", "check the address, or the network of the node"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::steps::run_program::hint_for;

    #[test]
    fn real_messages_have_hints() {
        for message in [
            "fatal: could not read Username for 'https://git.example': terminal prompts disabled",
            "remote: HTTP Basic: Access denied\nfatal: Authentication failed for 'https://git.example/x.git/'",
            "fatal: couldn't find remote ref refs/tags/v9",
        ] {
            assert!(hint_for(HINTS, message).is_some(), "{message}");
        }
        assert_eq!(hint_for(HINTS, "fatal: not a git repository"), None);
    }
}
