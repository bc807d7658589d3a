//! Downloads assets from servers: the file of the first address that serves it.

use std::path::Path;

use url::Url;

use super::Context;
use crate::{
    digest::Digest,
    http::{Download, HttpError, HttpProblem},
    lock::bare,
    problem::Problem,
};

/// Fetches a file from the first of several addresses that serves it. A file with a known digest comes from the store
/// if possible. `limit` is the largest size in bytes; `None` for files that may be large.
///
/// # Errors
/// The error of each address, if none serves the file.
pub(crate) async fn fetch_address(
    ctx: &Context,
    urls: &[Url],
    to: &Path,
    limit: Option<u64>,
    digest: Option<&Digest>,
) -> Result<(), Problem> {
    let mut failures = Vec::new();
    for url in urls {
        match fetch_one(ctx, url, to, limit, digest).await {
            Ok(()) => return Ok(()),
            Err(error) => failures.push(error),
        }
    }
    let name = urls.first().map(|url| bare(url).to_string()).unwrap_or_default();
    let is_wrong = failures.iter().any(|error| matches!(error.problem, HttpProblem::WrongDigest { .. }));
    if let [only] = failures.as_slice()
        && !is_wrong
    {
        return Err(Problem::new(format!("`{name}` could not be fetched")).hint(only.hint()).because(only));
    }
    let causes = failures.iter().map(|error| format!("{}: {}", error.url, error.problem)).collect();
    let problem = if is_wrong {
        let hint = "find out why the file changed before you trust it; then put its digest into the profile, or run \
                    `nodeagent lock`";
        Problem::new(format!("`{name}` does not have the expected digest")).hint(hint.to_owned())
    } else {
        let hint = failures.iter().find_map(HttpError::hint);
        Problem::new(format!("`{name}` could not be fetched from any of its addresses")).hint(hint)
    };
    Err(Problem { causes, ..problem })
}

/// Fetches a file from one address.
///
/// # Errors
/// If the address does not serve the file.
pub(crate) async fn fetch_one(
    ctx: &Context,
    url: &Url,
    to: &Path,
    limit: Option<u64>,
    digest: Option<&Digest>,
) -> Result<(), HttpError> {
    let wanted = Download { url: url.clone(), to: to.to_owned(), size: None, limit, digest: digest.cloned() };
    ctx.fetch(&wanted, |_| {}).await
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{
        exec::fake::FakeRunner,
        report::event::Events,
        test_server::{TestServer, reply},
    };

    fn server() -> TestServer {
        TestServer::start(|request, _| match request.path() {
            "/good" => reply("200 OK", "hello"),
            "/other" => reply("200 OK", "changed"),
            _ => reply("404 Not Found", ""),
        })
    }

    async fn fetched(paths: &[&str], digest: Option<&Digest>) -> Result<Vec<u8>, Problem> {
        let (temp, server) = (tempfile::tempdir().expect("a temporary folder"), server());
        let ctx = Context::for_tests(Arc::new(FakeRunner::new()), Events::default().of_step("x"));
        let urls: Vec<Url> = paths.iter().map(|path| server.at(path).parse().expect("an address")).collect();
        let to = temp.path().join("assets/x");
        fetch_address(&ctx, &urls, &to, None, digest).await?;
        Ok(std::fs::read(&to).expect("it was fetched"))
    }

    #[tokio::test]
    async fn the_first_mirror_that_serves_the_expected_file_is_used() {
        let digest = Digest::sha256(b"hello");
        assert_eq!(fetched(&["/gone", "/other", "/good"], Some(&digest)).await.expect("served"), b"hello");
        assert_eq!(fetched(&["/gone", "/good"], None).await.expect("served"), b"hello");
        let problem = fetched(&["/gone", "/other"], Some(&digest)).await.expect_err("another file");
        assert!(problem.message.ends_with("does not have the expected digest"), "{problem:?}");
        assert_eq!(problem.causes.len(), 2, "{problem:?}");
        let problem = fetched(&["/gone?token=hunter2"], None).await.expect_err("it is gone");
        assert!(!format!("{problem:?}").contains("hunter2"), "{problem:?}");
    }
}
