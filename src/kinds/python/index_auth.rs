//! Passes logins to pip and uv, and explains indexes that refuse them or answer with a web page.

use std::{path::PathBuf, sync::LazyLock, time::Duration};

use regex::Regex;
use url::Url;

use super::index::{PipConfig, foreign_page};
use crate::problem::Problem;
use crate::steps::Context;
use crate::{
    exec::{Cmd, inherited},
    facts::python::normalised,
    http::{WEB_PAGE_HINT, without_credentials},
    kinds::python::PythonInstall,
};

/// The time limit for asking indexes about a refusal.
const PATIENCE: Duration = Duration::from_secs(10);

/// Adds the logins of the step to a command of an installer.
pub(super) fn with_logins(ctx: &Context, cmd: Cmd) -> Result<Cmd, Problem> {
    let variable = |name: &str| inherited(name).filter(|value| !value.is_empty());
    let at_home = || Some(PathBuf::from(variable("HOME")?).join(".netrc"));
    let own = variable("NETRC").map(PathBuf::from).or_else(at_home);
    let configured = variable("GIT_CONFIG_COUNT").and_then(|count| count.to_str()?.parse().ok()).unwrap_or(0);
    ctx.logins.for_python_and_git(cmd, own.as_deref(), configured)
}

/// The cause and the hint if a server refused a login or answered with a web page: from the installer's output, or by
/// asking the indexes. Installers treat both like an empty index.
pub(super) async fn explanation(ctx: &Context, wanted: &PythonInstall, words: &str) -> Option<(String, String)> {
    match in_words(words) {
        Some((status, url)) => Some(refusal(ctx, status, &url)),
        None => at_indexes(ctx, wanted, words).await,
    }
}

fn refusal(ctx: &Context, status: u16, url: &Url) -> (String, String) {
    let mut shown = url.clone();
    shown.set_query(None);
    let cause = format!("`{}` refuses access (status {status})", without_credentials(&shown));
    (cause, ctx.http.remedy(status, url))
}

/// The URL that refused access, and the HTTP status.
fn in_words(words: &str) -> Option<(u16, Url)> {
    static REFUSALS: LazyLock<[Regex; 4]> = LazyLock::new(|| {
        [
            // An index, by uv.
            r"An index(?: URL)? \((?<url>\S+?)\) .{0,120}?\b(?<status>401|403)\b",
            // A file, by uv and pip.
            r"(?:HTTP status client error|HTTP error) \(?(?<status>401|403)\b.{0,60}?(?<url>https?://[^\s)]+)",
            // A repository, by git.
            r"unable to access '(?<url>https?://[^']+)': The requested URL returned error: (?<status>401|403)",
            r"(?:Authentication failed for|could not read (?:Username|Password) for) '(?<url>https?://[^']+)'",
        ]
        .map(|pattern| Regex::new(pattern).expect("the pattern is fixed"))
    });
    let flat = words.split_whitespace().collect::<Vec<_>>().join(" ");
    REFUSALS.iter().find_map(|pattern| {
        let found = pattern.captures(&flat)?;
        let status = found.name("status").and_then(|status| status.as_str().parse().ok()).unwrap_or(401);
        Some((status, found.name("url")?.as_str().parse().ok()?))
    })
}

/// Asks the indexes for the page of the missing project, and explains the first one that does not serve it as an index.
async fn at_indexes(ctx: &Context, wanted: &PythonInstall, words: &str) -> Option<(String, String)> {
    static MISSED: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(
            r"(?:No matching distribution found for |Because there (?:is|are) no versions? of |Because )(?<name>[\w.-]+)(?: was not found in the package registry|[\s\[<>=!~;,]|$)",
        )
        .expect("the pattern is fixed")
    });
    if wanted.sources.no_index {
        return None;
    }
    let flat = words.split_whitespace().collect::<Vec<_>>().join(" ");
    let project = normalised(&MISSED.captures(&flat)?["name"]);
    let config = PipConfig::of(ctx, wanted);
    let indexes = wanted.sources.index_url.clone().or_else(|| config.configured_index());
    let ask = async {
        for mut index in indexes.into_iter().chain(wanted.sources.extra_index_urls.iter().cloned()) {
            index.path_segments_mut().ok()?.pop_if_empty().extend([project.as_str(), ""]);
            // The installer has already reported an unreachable index.
            match ctx.http.status(&index).await {
                Ok(status @ (401 | 403)) => return Some(refusal(ctx, status, &index)),
                Ok(200) => {}
                _ => continue,
            }
            if foreign_page(&ctx.http, &index).await {
                let cause =
                    format!("`{}` answered with a web page, not as a package index", without_credentials(&index));
                return Some((cause, WEB_PAGE_HINT.to_owned()));
            }
        }
        None
    };
    tokio::time::timeout(PATIENCE, ask).await.ok()?
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

    #[tokio::test]
    async fn an_index_that_answers_with_a_web_page_is_named() {
        let portal =
            TestServer::start(|_, _| reply("200 OK\r\ncontent-type: text/html", "<!doctype html><p>Log in</p>"));
        let ctx = Context::for_tests(Arc::new(FakeRunner::new()), Events::default().of_step("pip"));
        let mut wanted = super::super::guard::tests::wanted();
        wanted.sources.index_url = Some(portal.url.join("simple").expect("a path"));
        for words in [
            "  cause: Because there are no versions of Hu_manize and you require Hu_manize, we can conclude that your",
            "  ╰─▶ Because hu-manize was not found in the package registry and you require",
            "ERROR: No matching distribution found for hu-manize>=4",
        ] {
            let (cause, hint) = explanation(&ctx, &wanted, words).await.expect("the page explains it");
            let expected =
                format!("`{}` answered with a web page, not as a package index", portal.at("simple/hu-manize/"));
            assert_eq!((cause, hint.as_str()), (expected, WEB_PAGE_HINT), "{words}");
        }
        assert_eq!(explanation(&ctx, &wanted, "No space left on device").await, None);
    }

    #[test]
    fn the_refused_url_is_read_from_real_output() {
        let cases = [
            (
                "hint: An index URL (http://127.0.0.1:5899/simple/) could not be queried due to a lack of valid \
                 authentication credentials (401 Unauthorized)",
                (401, "http://127.0.0.1:5899/simple/"),
            ),
            (
                "hint: An index (http://127.0.0.1:5899/simple/) returned a 403 Forbidden error. Check that the index URL \
                 is correct and the credentials are valid.",
                (403, "http://127.0.0.1:5899/simple/"),
            ),
            (
                "  cause: HTTP status client error (401 Unauthorized) for url (http://127.0.0.1:5899/packages/x.whl)",
                (401, "http://127.0.0.1:5899/packages/x.whl"),
            ),
            (
                "  ERROR: HTTP error 401 while getting http://127.0.0.1:5899/packages/x.whl",
                (401, "http://127.0.0.1:5899/packages/x.whl"),
            ),
            (
                "  fatal: could not read Username for 'http://127.0.0.1:5900': terminal prompts disabled",
                (401, "http://127.0.0.1:5900/"),
            ),
            (
                "  fatal: Authentication failed for 'http://127.0.0.1:5900/team/helper.git/'",
                (401, "http://127.0.0.1:5900/team/helper.git/"),
            ),
            (
                "fatal: unable to access 'https://git.example/x.git/': The requested URL returned error: 403",
                (403, "https://git.example/x.git/"),
            ),
        ];
        for (words, (status, url)) in cases {
            assert_eq!(in_words(words), Some((status, url.parse().expect("an address"))), "{words}");
        }
        assert_eq!(in_words("ERROR: No matching distribution found for spacy==99"), None);
    }
}
