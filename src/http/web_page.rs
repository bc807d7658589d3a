//! Recognises web pages that a captive portal or a proxy sends in place of the requested content, with status 200.

use reqwest::header::{CONTENT_TYPE, HeaderMap};
use url::Url;

/// The bytes that are kept of an answer to recognise a web page.
pub(super) const START: usize = 512;

/// Whether content begins as a web page. Byte order marks, white space, comments and an XML declaration may precede it.
pub fn is_web_page(content: &[u8]) -> bool {
    const BEGINNINGS: [&[u8]; 5] = [b"<!doctype html", b"<html", b"<head", b"<title", b"<body"];
    let mut rest = content.strip_prefix(b"\xef\xbb\xbf").unwrap_or(content).trim_ascii_start();
    while let Some(after) = after(rest, b"<!--", b"-->").or_else(|| after(rest, b"<?xml", b"?>")) {
        rest = after.trim_ascii_start();
    }
    BEGINNINGS.iter().any(|begin| rest.get(..begin.len()).is_some_and(|start| start.eq_ignore_ascii_case(begin)))
}

/// The rest after a part with this begin and end.
fn after<'a>(text: &'a [u8], begin: &[u8], end: &[u8]) -> Option<&'a [u8]> {
    let inner = text.strip_prefix(begin)?;
    inner.windows(end.len()).position(|window| window == end).map(|at| &inner[at + end.len()..])
}

/// Whether the server calls its answer a web page, and the address names no web page. A file that is a page on purpose
/// is requested by its name or served with another type.
pub(super) fn is_announced(url: &Url, headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).map_or(&b""[..], |kind| kind.as_bytes()).to_ascii_lowercase();
    let path = url.path().to_ascii_lowercase();
    let is_page = kind.starts_with(b"text/html") || kind.starts_with(b"application/xhtml");
    is_page && ![".html", ".htm", ".xhtml"].iter().any(|ending| path.ends_with(ending))
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderValue;

    use super::*;

    #[test]
    fn pages_are_recognized_by_their_beginning() {
        for page in [
            "<!DOCTYPE html>\n<html>",
            "\u{feff}\n <html lang=\"en\">",
            "<?xml version=\"1.0\"?>\n<!-- <x> -->\n<!doctype HTML PUBLIC",
            "<head><meta http-equiv=refresh content=\"0; url=/login\">",
        ] {
            assert!(is_web_page(page.as_bytes()), "{page}");
        }
        for other in ["", "<", "<hr>", "{}", "Package: a\n", "<?xml version=\"1.0\"?><project/>", "<!-- <html>"] {
            assert!(!is_web_page(other.as_bytes()), "{other}");
        }
    }

    #[test]
    fn a_page_that_was_requested_is_expected() {
        let is = |url: &str, kind: &'static str| {
            let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(kind))]);
            is_announced(&url.parse().expect("an address"), &headers)
        };
        assert!(is("https://h/x.whl", "text/html; charset=utf-8") && is("https://h/", "Text/HTML"));
        assert!(!is("https://h/x.whl", "application/octet-stream") && !is("https://h/index.html", "text/html"));
    }
}
