//! Package indexes: reads pip's configuration of the node, and finds files in an index.
//!
//! <https://packaging.python.org/en/latest/specifications/simple-repository-api/>

use std::{
    path::{Path, PathBuf},
    sync::LazyLock,
};

use configparser::ini::Ini;
use regex::Regex;
use url::Url;

use crate::{
    exec::inherited,
    http::{Client, HttpError, HttpProblem, is_web_page},
    kinds::python::PythonInstall,
    profile::PlainAddress,
    steps::Context,
};

const DEFAULT_INDEX: &str = "https://pypi.org/simple/";
const ACCEPT: &str = "application/vnd.pypi.simple.v1+json, text/html;q=0.5";
const PAGE_LIMIT: usize = 16 << 20;

/// pip's settings for indexes, from its configuration files and environment variables. uv does not read them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct PipConfig {
    index_url: Option<String>,
    extra_index_url: Option<String>,
    find_links: Option<String>,
    cert: Option<String>,
    trusted_host: Option<String>,
}

impl PipConfig {
    /// The pip configuration of a step's environment.
    pub(super) fn of(ctx: &Context, wanted: &PythonInstall) -> Self {
        Self::read(&ctx.root, &wanted.interpreter, |name| inherited(name)?.into_string().ok())
    }

    /// Reads pip's configuration files in pip's order. Later files win over earlier ones, and environment variables
    /// over files.
    fn read(root: &Path, interpreter: &Path, variable: impl Fn(&str) -> Option<String>) -> Self {
        let mut files: Vec<PathBuf> = vec![root.join("etc/pip.conf")];
        if let Some(home) = variable("HOME") {
            files.extend([".pip/pip.conf", ".config/pip/pip.conf"].map(|name| Path::new(&home).join(name)));
        }
        files.extend(interpreter.parent().and_then(Path::parent).map(|prefix| prefix.join("pip.conf")));
        files.extend(variable("PIP_CONFIG_FILE").map(PathBuf::from));
        let mut config = Self::default();
        for text in files.iter().filter_map(|file| std::fs::read_to_string(file).ok()) {
            config.add(&text);
        }
        for (name, setting) in config.settings() {
            let name = format!("PIP_{}", name.to_ascii_uppercase().replace('-', "_"));
            if let Some(value) = variable(&name).filter(|value| !value.is_empty()) {
                *setting = Some(value);
            }
        }
        config
    }

    /// Every setting with pip's name for it.
    fn settings(&mut self) -> [(&'static str, &mut Option<String>); 5] {
        [
            ("index-url", &mut self.index_url),
            ("extra-index-url", &mut self.extra_index_url),
            ("find-links", &mut self.find_links),
            ("cert", &mut self.cert),
            ("trusted-host", &mut self.trusted_host),
        ]
    }

    pub(super) fn add(&mut self, text: &str) {
        let mut ini = Ini::new();
        ini.set_multiline(true);
        ini.set_inline_comment_symbols(Some(&[])); // a URL may contain any character
        if ini.read(text.to_owned()).is_err() {
            return; // pip reports the error itself
        }
        for section in ["global", "install"] {
            for (name, setting) in self.settings() {
                if let Some(value) = ini.get(section, name) {
                    *setting = Some(value.split_whitespace().collect::<Vec<_>>().join(" "));
                }
            }
        }
    }

    /// The same settings as environment variables for uv.
    pub(super) fn for_uv(&self) -> Vec<(String, String)> {
        let pair = |name: &str, value: &Option<String>| value.clone().map(|value| (name.to_owned(), value));
        // pip ignores indexes without encryption, except those of its `trusted-host`.
        let accepted = |urls: &Option<String>, separator: &str| {
            let urls = urls.iter().flat_map(|urls| urls.split_whitespace()).filter(|url| self.is_accepted(url));
            Some(urls.collect::<Vec<_>>().join(separator)).filter(|urls| !urls.is_empty())
        };
        let (index_url, extra_index_url) = (accepted(&self.index_url, " "), accepted(&self.extra_index_url, " "));
        let find_links = accepted(&self.find_links, ",");
        [
            pair("UV_DEFAULT_INDEX", &index_url),
            pair("UV_INDEX", &extra_index_url),
            pair("UV_FIND_LINKS", &find_links),
            pair("SSL_CERT_FILE", &self.cert),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    /// Whether pip uses a page or an index: it is encrypted, on the node, or on a host that pip trusts.
    fn is_accepted(&self, url: &str) -> bool {
        let Some(address) = Url::parse(url).ok().and_then(|url| PlainAddress::of(&url)) else { return true };
        let trusted = self.trusted_host.iter().flat_map(|hosts| hosts.split_whitespace());
        address.is_of(&trusted.filter_map(|host| host.split(':').next()).map(str::to_ascii_lowercase).collect())
    }

    /// The URL with the login that this configuration has for its server, if any. The login is only kept in memory.
    pub(super) fn with_own_login(&self, url: &Url) -> Url {
        let known = self.indexes().find(|index| {
            !index.username().is_empty()
                && (index.scheme(), index.host(), index.port()) == (url.scheme(), url.host(), url.port())
        });
        let mut url = url.clone();
        if let Some(index) = known {
            // These calls cannot fail for a URL with a host.
            let _ = url.set_username(index.username());
            let _ = url.set_password(index.password());
        }
        url
    }

    /// All configured indexes, with their logins.
    pub(super) fn indexes(&self) -> impl Iterator<Item = Url> {
        let urls = self.index_url.iter().chain(&self.extra_index_url).flat_map(|urls| urls.split_whitespace());
        urls.filter_map(|index| Url::parse(index).ok())
    }

    /// The configured primary index.
    pub(super) fn configured_index(&self) -> Option<Url> {
        self.index_url.as_ref().and_then(|_| self.index())
    }

    /// The primary index.
    pub(super) fn index(&self) -> Option<Url> {
        let mut url = Url::parse(self.index_url.as_deref().unwrap_or(DEFAULT_INDEX)).ok()?;
        if !url.path().ends_with('/') {
            url.set_path(&format!("{}/", url.path()));
        }
        Some(url)
    }
}

/// The URL of a project's file in an index. `None` if the index does not list the file.
pub(super) async fn find_file(http: &Client, index: &Url, project: &str, file: &str) -> Result<Option<Url>, HttpError> {
    let Ok(page) = index.join(&format!("{project}/")) else { return Ok(None) };
    let body = http.accepting(&page, Some(ACCEPT), PAGE_LIMIT).await?;
    if is_foreign_page(&body) {
        return Err(HttpError::new(&page, HttpProblem::WebPage));
    }
    Ok(address_in_page(&body, file).and_then(|address| page.join(&address).ok()))
}

/// The address of a file in a page of an index: JSON or HTML.
pub(super) fn address_in_page(body: &[u8], file: &str) -> Option<String> {
    match serde_json::from_slice::<serde_json::Value>(body) {
        Ok(listing) => in_json(&listing, file),
        Err(_) => in_html(&String::from_utf8_lossy(body), file),
    }
}

/// Whether an address that should be the page of a project in an index is another web page, such as that of a captive
/// portal.
pub(super) async fn foreign_page(http: &Client, page: &Url) -> bool {
    http.accepting(page, Some(ACCEPT), PAGE_LIMIT).await.is_ok_and(|body| is_foreign_page(&body))
}

/// Whether an answer is a web page that is no page of an index: it has no link to a file of a distribution, and does
/// not say that it is an index.
fn is_foreign_page(body: &[u8]) -> bool {
    static INDEX: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"(?i)pypi:repository-version|<title>\s*(?:links for|simple index)|>[^<]+\.(?:whl|zip|tar\.\w+|tgz|egg)\s*</a>")
            .expect("the pattern is fixed")
    });
    is_web_page(body) && !INDEX.is_match(&String::from_utf8_lossy(body))
}

fn in_json(listing: &serde_json::Value, file: &str) -> Option<String> {
    let files = listing.get("files")?.as_array()?;
    let found = files.iter().find(|entry| entry.get("filename").and_then(|name| name.as_str()) == Some(file))?;
    Some(found.get("url")?.as_str()?.to_owned())
}

fn in_html(page: &str, file: &str) -> Option<String> {
    static ANCHOR: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r#"(?is)<a\s[^>]*?href\s*=\s*["']([^"']+)["'][^>]*>\s*([^<]+?)\s*</a>"#)
            .expect("the pattern is fixed")
    });
    let found = ANCHOR.captures_iter(page).find(|anchor| &anchor[2] == file)?;
    Some(found[1].replace("&amp;", "&"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fs::put;

    #[test]
    fn uv_gets_no_index_that_pip_would_ignore() {
        let temp = tempfile::tempdir().expect("a temporary folder");
        let env = |more: &str| {
            let text = format!(
                "[global]\nindex-url = http://pypi.firm.example/simple\nextra-index-url = http://127.0.0.1:9/simple \
                 http://other.example/simple\n{more}"
            );
            put(&temp.path().join("etc/pip.conf"), &text);
            PipConfig::read(temp.path(), Path::new("/nowhere/bin/python"), |_| None).for_uv()
        };
        let local = ("UV_INDEX".to_owned(), "http://127.0.0.1:9/simple".to_owned());
        assert_eq!(env(""), std::slice::from_ref(&local));
        let trusted = ("UV_DEFAULT_INDEX".to_owned(), "http://pypi.firm.example/simple".to_owned());
        assert_eq!(env("trusted-host = pypi.firm.example:80\n"), [trusted, local]);
    }

    #[test]
    fn the_configuration_of_pip_is_passed_to_uv() {
        let temp = tempfile::tempdir().expect("a temporary folder");
        let write = |name: &str, text: &str| put(&temp.path().join(name), text);
        write(
            "etc/pip.conf",
            "[global]\nindex-url = https://a.example/simple\nextra-index-url = https://b.example/simple\n    https://c.example/simple\n",
        );
        let config = PipConfig::read(temp.path(), Path::new("/nowhere/bin/python"), |name| {
            (name == "PIP_CERT").then(|| "/ca.pem".into())
        });
        assert_eq!(config.index().expect("an address").as_str(), "https://a.example/simple/");
        let env = config.for_uv();
        assert!(
            env.contains(&("UV_INDEX".into(), "https://b.example/simple https://c.example/simple".into())),
            "{env:?}"
        );
        assert!(env.contains(&("SSL_CERT_FILE".into(), "/ca.pem".into())));
    }

    #[test]
    fn a_page_of_a_captive_portal_is_no_page_of_an_index() {
        assert!(is_foreign_page(b"<!DOCTYPE html><title>Guest network</title><a href='/login'>Log in</a>"));
        for page in [
            "<!DOCTYPE html><head><meta name=\"pypi:repository-version\" content=\"1.1\"></head>",
            "<html><head><title>Links for six</title></head><body></body></html>",
            "<html><body><a href=\"../../f/six-1.16.0.tar.gz#sha256=0\">six-1.16.0.tar.gz</a></body></html>",
            "{\"files\": []}",
        ] {
            assert!(!is_foreign_page(page.as_bytes()), "{page}");
        }
    }

    #[test]
    fn a_file_is_found_in_json_and_html_listings() {
        let json = serde_json::json!({ "files": [{ "filename": "uv-1.whl", "url": "../f/uv-1.whl" }] });
        assert_eq!(in_json(&json, "uv-1.whl").as_deref(), Some("../f/uv-1.whl"));
        let html = "<a href='x'>uv-0.whl</a>\n<a data-x=\"1\" href=\"../f/uv-1.whl?a=1&amp;b=2#sha256=0\">uv-1.whl</a>";
        assert_eq!(in_html(html, "uv-1.whl").as_deref(), Some("../f/uv-1.whl?a=1&b=2#sha256=0"));
    }
}
