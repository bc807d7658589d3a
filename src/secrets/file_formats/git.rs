//! The file of git's credential helper `store`. Each line is a URL with user and password.
//!
//! git rewrites the file at each use and moves the matching line to the top (builtin/credential-store.c). Marks would
//! not survive this. A line therefore belongs to nodeagent by its server and user, and has exactly the format of git.

use std::fmt::Write as _;

use url::{Position, Url};

use super::format_error::{FormatError, check_one_line};

/// The line for a user of a server.
pub(super) fn line(url: &Url, user: &str, value: &[u8]) -> Result<Vec<u8>, FormatError> {
    check_one_line(value)?;
    let (scheme, server) = server(url);
    let mut line = format!("{scheme}://");
    encode(user.as_bytes(), &mut line);
    line.push(':');
    encode(value, &mut line);
    line.push('@');
    line.push_str(&server);
    line.push('\n');
    Ok(line.into_bytes())
}

/// A line without its password. It is not secret.
pub fn identity(url: &Url, user: &str) -> String {
    let (scheme, server) = server(url);
    let mut name = format!("{scheme}://");
    encode(user.as_bytes(), &mut name);
    format!("{name}@{server}")
}

/// The scheme, and the server with its port in git's encoding.
fn server(url: &Url) -> (&str, String) {
    let mut server = String::new();
    encode(url[Position::BeforeHost..Position::AfterPort].as_bytes(), &mut server);
    (url.scheme(), server)
}

/// Percent-encodes all but the unreserved characters of RFC 3986, with lower-case digits as git does.
fn encode(bytes: &[u8], text: &mut String) {
    for &byte in bytes {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            text.push(char::from(byte));
        } else {
            let _ = write!(text, "%{byte:02x}");
        }
    }
}

/// The identity of a line. `None` for a line that is not a URL with a user.
fn identity_of(line: &[u8]) -> Option<String> {
    let line = std::str::from_utf8(line).ok()?.trim_end();
    let (scheme, rest) = line.split_once("://")?;
    let (login, host) = rest.split_once('@')?;
    let (user, _) = login.split_once(':')?;
    Some(format!("{scheme}://{user}@{}", host.trim_end_matches('/')))
}

/// Whether the file has a line with one of the identities.
pub fn has_lines(text: &[u8], identities: &[String]) -> bool {
    lines(text).any(|line| identity_of(line).is_some_and(|identity| identities.contains(&identity)))
}

/// The file with the wanted lines, and without other lines of the identities. A line that is correct keeps its
/// position.
pub fn with_lines(text: &[u8], identities: &[String], wanted: &[u8]) -> Vec<u8> {
    let mut missing: Vec<&[u8]> = lines(wanted).collect();
    let mut kept = Vec::with_capacity(text.len() + wanted.len());
    for line in lines(text) {
        let is_ours = identity_of(line).is_some_and(|identity| identities.contains(&identity));
        match missing.iter().position(|wanted| *wanted == line) {
            Some(index) => drop(missing.remove(index)),
            None if is_ours => continue,
            None => {}
        }
        kept.extend(line);
    }
    // git uses the first matching line.
    [missing.concat(), kept].concat()
}

/// The file without lines of the identities.
pub fn without_lines(text: &[u8], identities: &[String]) -> Vec<u8> {
    with_lines(text, identities, b"")
}

fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split_inclusive(|&byte| byte == b'\n')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        text.parse().expect("an address")
    }

    #[test]
    fn a_line_has_the_format_of_git() {
        let written = line(&url("http://127.0.0.1:8080"), "a@b", b"p:/@%\xe9 ~").expect("one line");
        assert_eq!(written, b"http://a%40b:p%3a%2f%40%25%e9%20~@127.0.0.1%3a8080\n");
        assert_eq!(identity_of(&written).as_deref(), Some(&*identity(&url("http://127.0.0.1:8080/"), "a@b")));
    }

    #[test]
    fn lines_of_others_are_kept_and_our_line_is_replaced() {
        let login = url("https://git.firm.example");
        let ours = [identity(&login, "bot")];
        let new = line(&login, "bot", b"new").expect("one line");
        let before = b"https://ann:x@git.firm.example\nhttps://bot:old@git.firm.example\nnonsense\n";
        let after = with_lines(before, &ours, &new);
        assert_eq!(after, b"https://bot:new@git.firm.example\nhttps://ann:x@git.firm.example\nnonsense\n");
        assert_eq!(with_lines(&after, &ours, &new), after);
        let moved = b"https://ann:x@git.firm.example\nhttps://bot:new@git.firm.example\n";
        assert_eq!(with_lines(moved, &ours, &new), moved);
        assert!(has_lines(moved, &ours) && !has_lines(b"https://ann:x@git.firm.example\n", &ours));
        assert_eq!(without_lines(&after, &ours), b"https://ann:x@git.firm.example\nnonsense\n");
    }
}
