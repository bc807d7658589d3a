//! Downloads the files of a lock by their digests. A file that is gone or has changed refuses the run before anything
//! is changed.

use std::path::PathBuf;

use futures::{StreamExt as _, TryStreamExt as _};
use jiff::Timestamp;
use url::Url;

use super::Context;
use crate::{
    digest::Digest,
    http::{Download, HttpError, HttpProblem},
    lock::bare,
    problem::Problem,
};

/// A file of a lock.
pub(crate) struct LockedFile<'a> {
    /// The package it belongs to, for messages: `jq 1.6-2.1`.
    pub(crate) title: String,
    pub(crate) url: Url,
    pub(crate) size: Option<u64>,
    pub(crate) sha256: &'a Digest,
    pub(crate) to: PathBuf,
}

/// Fetches all files concurrently.
pub(crate) async fn fetch(ctx: &Context, user_agent: Option<&str>, files: Vec<LockedFile<'_>>) -> Result<(), Problem> {
    let count = files.len();
    if count == 0 {
        return Ok(());
    }
    let started = Timestamp::now();
    ctx.progress.now(format!("fetching {count} locked files"), None);
    let files = futures::stream::iter(ctx.in_order_of_fetching(files));
    let all = files.map(|file| one(ctx, user_agent, file)).buffer_unordered(ctx.downloads_at_once());
    let fetched = all.try_for_each(|()| std::future::ready(Ok(()))).await;
    ctx.progress.task_finished("download", started, fetched.is_ok());
    fetched
}

async fn one(ctx: &Context, user_agent: Option<&str>, file: LockedFile<'_>) -> Result<(), Problem> {
    let download =
        Download { url: file.url, to: file.to, size: file.size, limit: None, digest: Some(file.sha256.clone()) };
    let fetched = ctx.fetch_as(user_agent, &download, |_| {}).await;
    fetched.map_err(|error| explained(error, &file.title, &bare(&download.url)))
}

fn explained(error: HttpError, title: &str, url: &Url) -> Problem {
    let name = title.split(' ').next().unwrap_or_default();
    if error.is_absent() {
        let error =
            Problem::refused(format!("the locked {title} is no longer at `{url}`, and the store does not have it"));
        return error.hint(format!(
            "publish it to the store from a node that has it (`nodeagent store push`), or lock the current file: `nodeagent lock --upgrade {name}`"
        ));
    }
    match &error.problem {
        HttpProblem::Status(401 | 403) => {
            let refused = Problem::refused(format!("the server denies access to the locked {title}"));
            refused.hint(error.hint()).because(&error)
        }
        HttpProblem::WrongDigest { expected, received } => {
            let refused = Problem::refused(format!("`{url}` serves a file that differs from the locked {title}"));
            let refused = refused.cause(format!("it has {received}")).cause(format!("the lock has {expected}"));
            refused.hint(AFTER_CHECKING.to_owned())
        }
        HttpProblem::WrongSize { expected, received } => {
            let refused = Problem::refused(format!("`{url}` serves a file that differs from the locked {title}"));
            let cause = format!("it has {received} bytes or more, the lock has {expected}");
            refused.cause(cause).hint(AFTER_CHECKING.to_owned())
        }
        _ => error.into(),
    }
}

const AFTER_CHECKING: &str =
    "find out why the file changed before you trust it; to accept its present content, run `nodeagent lock --upgrade`";
