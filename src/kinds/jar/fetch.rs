//! Fetches a jar from Maven repositories. The checksum that the repository publishes authenticates it.

use std::path::Path;

use url::Url;

use crate::{
    digest::Digest,
    http::{Download, HttpError, HttpProblem, WEB_PAGE_HINT},
    problem::Problem,
    steps::Context,
};

/// The ending of a file with a checksum, the number of its hexadecimal digits and the digest.
type Checksum = (&'static str, usize, fn(String) -> Digest);

/// SHA-256 comes first because the store knows files by it.
const CHECKSUMS: [Checksum; 3] =
    [("sha256", 64, Digest::Sha256), ("sha512", 128, Digest::Sha512), ("sha1", 40, Digest::Sha1)];
/// The largest file with a checksum, in bytes.
const LARGEST: usize = 4 << 10;

/// Fetches the jar from the first repository that has it.
///
/// # Errors
/// If no repository has the jar with a checksum.
pub(super) async fn from_maven(ctx: &Context, label: &str, urls: &[Url], to: &Path) -> Result<(), Problem> {
    let (mut causes, mut page) = (Vec::new(), None);
    for url in urls {
        match fetch(ctx, label, url, to).await {
            Ok(true) => return Ok(()),
            Ok(false) => causes.push(format!("{url}: the repository has no jar with a checksum there")),
            Err(error) => {
                causes.push(format!("{}: {}", error.url, error.problem));
                page = page.or_else(|| matches!(error.problem, HttpProblem::WebPage).then(|| WEB_PAGE_HINT.to_owned()));
            }
        }
    }
    let hint = "check the coordinates and the `repositories`; a jar without a checksum needs `sha256`";
    let problem = Problem::refused(format!("the jar `{label}` could not be fetched from a Maven repository"));
    Err(Problem { causes, ..problem.hint(page).hint(hint.to_owned()) })
}

async fn fetch(ctx: &Context, label: &str, url: &Url, to: &Path) -> Result<bool, HttpError> {
    let Some(digest) = checksum(ctx, url).await? else { return Ok(false) };
    if matches!(digest, Digest::Sha1(_)) {
        ctx.progress.warn(format!("the repository has only a SHA-1 of `{label}`; add its `sha256` to the profile"));
    }
    let wanted = Download { url: url.clone(), to: to.to_owned(), size: None, limit: None, digest: Some(digest) };
    ctx.fetch(&wanted, |_| {}).await?;
    Ok(true)
}

/// The strongest checksum that the repository publishes for a file.
async fn checksum(ctx: &Context, url: &Url) -> Result<Option<Digest>, HttpError> {
    for (ending, length, digest) in CHECKSUMS {
        let mut at = url.clone();
        at.set_path(&format!("{}.{ending}", url.path()));
        let bytes = match ctx.http.bytes(&at, LARGEST).await {
            Ok(bytes) => bytes,
            Err(error) if error.is_absent() => continue,
            Err(error) => return Err(error),
        };
        // Some repositories write the name of the file after the checksum.
        let text = String::from_utf8_lossy(&bytes);
        let word = text.split_whitespace().next().unwrap_or_default().to_ascii_lowercase();
        if word.len() == length && word.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Ok(Some(digest(word)));
        }
    }
    Ok(None)
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

    async fn fetched(checksums: &'static [(&'static str, &'static str)]) -> Result<Vec<u8>, Problem> {
        let server = TestServer::start(move |request, _| {
            let checksum = checksums.iter().find(|(ending, _)| request.path().ends_with(ending));
            match (request.path(), checksum) {
                ("/maven/x.jar", _) => reply("200 OK", "abc"),
                (_, Some((_, text))) => reply("200 OK", text),
                _ => reply("404 Not Found", ""),
            }
        });
        let temp = tempfile::tempdir().expect("a temporary folder");
        let ctx = Context::for_tests(Arc::new(FakeRunner::new()), Events::default().of_step("jar"));
        let urls = ["gone/x.jar", "maven/x.jar"].map(|path| server.at(path).parse().expect("an address"));
        let to = temp.path().join("x.jar");
        from_maven(&ctx, "g:x:1", &urls, &to).await?;
        Ok(std::fs::read(&to).expect("it was fetched"))
    }

    #[tokio::test]
    async fn a_jar_is_checked_against_the_checksum_of_its_repository() {
        const SHA1: &str = "a9993e364706816aba3e25717850c26c9cd0d89d";
        const SHA512: &str = "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a\
                              2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f";
        const WRONG: &str = "0000000000000000000000000000000000000000";
        assert_eq!(fetched(&[("maven/x.jar.sha1", SHA1)]).await.expect("fetched"), b"abc");
        assert_eq!(fetched(&[("maven/x.jar.sha512", SHA512)]).await.expect("fetched"), b"abc");
        for wrong in [&[("maven/x.jar.sha1", WRONG)][..], &[("maven/x.jar.sha1", "soon")], &[]] {
            let problem = fetched(wrong).await.expect_err("no valid checksum");
            assert!(problem.refused && problem.causes.len() == 2, "{problem:?}");
        }
    }
}
