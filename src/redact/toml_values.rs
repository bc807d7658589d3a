//! The values of a TOML text that may be secret. They are not shown in messages, because many people read logs.
//!
//! The text may have syntax errors, so this is no parser: it follows strings, keys and section headers, and hides too
//! much rather than too little.

use std::ops::Range;

use super::credential_names::{looks_like_credential, suggests_credential};

/// The replacement for a value.
pub const HIDDEN: &str = "…";

/// Sections for secrets. Their values are hidden, except those of the keys below.
const SECTIONS: [&str; 2] = ["secrets", "logins"];
/// Keys of these sections whose values name a place, a permission or a condition.
const PLACES: [&str; 24] = [
    "source", "scope", "url", "vault", "region", "table", "mode", "owner", "group", "to", "file", "path", "env-file",
    "git", "index", "netrc", "pgpass", "machine", "host", "port", "database", "version", "optional", "timeout",
];
/// Tables of these sections whose values do the same.
const CONDITIONS: [&str; 3] = ["when", "after", "before"];
/// Keys of any section whose values are hidden, beside those that suggest a credential.
const NAMES: [&str; 5] = ["pass", "pwd", "pin", "auth", "passcode"];

/// Keys whose value belongs to the name above them.
const VALUES: [&str; 6] = ["value", "default", "text", "append", "prepend", "answer"];
/// Keys whose values name a secret. They are shown once they have been checked.
const REFERENCES: [&str; 3] = ["secret", "secrets", "git-credentials"];

/// The most names above a value that are followed. Values below more of them are hidden.
const MOST_NAMES: usize = 64;

/// Whether the sections for secrets are hidden, too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hide {
    /// Their values, and those that look like a credential.
    SecretSections,
    /// Only values that look like a credential, in any section: the others have been checked.
    Credentials,
}

/// The byte ranges of values that may be secret, without their quotes, in order.
pub fn hidden_values(text: &str, hide: Hide) -> Vec<Range<usize>> {
    let ends = memchr::memchr_iter(b'\n', text.as_bytes()).collect();
    let mut reader = Reader {
        text,
        ends,
        at: 0,
        hide,
        section: Vec::new(),
        tables: Vec::new(),
        lists: 0,
        key: None,
        hidden: Vec::new(),
    };
    while reader.at < text.len() {
        reader.line();
    }
    reader.hidden.retain(|range| !range.is_empty());
    reader.hidden
}

/// The text without these ranges.
pub fn without_ranges(text: &str, part: Range<usize>, hidden: &[Range<usize>]) -> String {
    let mut shown = String::new();
    let mut at = part.start;
    for range in hidden.iter().filter(|range| range.start < part.end && range.end > part.start) {
        shown.push_str(text.get(at..range.start).unwrap_or_default());
        shown.push_str(HIDDEN);
        at = range.end;
    }
    shown.push_str(text.get(at..part.end).unwrap_or_default());
    shown
}

struct Reader<'t> {
    text: &'t str,
    /// The positions of all line feeds.
    ends: Vec<usize>,
    at: usize,
    hide: Hide,
    /// The names of the section.
    section: Vec<&'t str>,
    /// The keys of the open inline tables.
    tables: Vec<Option<&'t str>>,
    /// The number of open lists.
    lists: usize,
    /// The key of the present value.
    key: Option<&'t str>,
    hidden: Vec<Range<usize>>,
}

impl<'t> Reader<'t> {
    fn rest(&self) -> &'t str {
        &self.text[self.at..]
    }

    fn line_end(&self) -> usize {
        let next = self.ends.partition_point(|&end| end < self.at);
        self.ends.get(next).copied().unwrap_or(self.text.len())
    }

    /// One line, or several lines with a string over several lines.
    fn line(&mut self) {
        let line = &self.text[self.at..self.line_end()];
        let is_open = self.lists > 0 || !self.tables.is_empty();
        // In an open list, a quoted name in brackets is a list of texts. A header ends a list that is not closed.
        if let Some(header) = header(line).filter(|name| !is_open || !name.trim_start().starts_with(['"', '\''])) {
            self.section = header.split('.').map(bare).collect();
            (self.tables, self.lists, self.key) = (Vec::new(), 0, None);
            self.at = self.line_end() + 1;
            return;
        }
        if self.tables.is_empty() && self.lists == 0 {
            self.key = None;
        }
        self.pair_or_value();
        while let Some(next) = self.rest().chars().next() {
            match next {
                '\n' => {
                    self.at += 1;
                    return;
                }
                '#' => self.at = self.line_end(),
                '"' | '\'' => self.string(next),
                '{' => {
                    self.tables.push(self.key);
                    self.at += 1;
                    self.pair_or_value();
                }
                '}' => {
                    self.key = self.tables.pop().flatten();
                    self.at += 1;
                }
                ',' | '[' | ']' => {
                    self.lists = (self.lists + usize::from(next == '[')).saturating_sub(usize::from(next == ']'));
                    self.at += 1;
                    self.pair_or_value();
                }
                ' ' | '\t' | '\r' => self.at += 1,
                _ => self.word(),
            }
        }
    }

    /// The key of a pair, if one begins here.
    fn pair_or_value(&mut self) {
        let end = self.line_end();
        if let Some((key, value)) = pair(&self.text[self.at..end]) {
            self.key = Some(key);
            self.at += value;
        }
    }

    /// A string, which may be without an end.
    fn string(&mut self, quote: char) {
        let long = if quote == '"' { "\"\"\"" } else { "'''" };
        let (delimiter, limit) =
            if self.rest().starts_with(long) { (long, self.text.len()) } else { (&long[..1], self.line_end()) };
        let start = self.at + delimiter.len();
        let content = &self.text[start.min(limit)..limit];
        let mut end = 0;
        let closed = loop {
            let Some(rest) = content.get(end..).filter(|rest| !rest.is_empty()) else { break false };
            if rest.starts_with(delimiter) {
                break true;
            }
            let escaped = quote == '"' && rest.starts_with('\\');
            end += rest.chars().take(1 + usize::from(escaped)).map(char::len_utf8).sum::<usize>();
        };
        let end = start + end.min(content.len());
        let lost = !closed && delimiter.len() == 3;
        let is_secret = lost || self.is_secret(&self.text[start.min(end)..end]);
        self.at = if closed { end + delimiter.len() } else { limit };
        if is_secret {
            self.hidden.push(start.min(end)..end);
            self.garbage();
        }
    }

    /// A number, a date, or text without quotes.
    fn word(&mut self) {
        let start = self.at;
        let length = self.rest().find([',', '}', ']', '#', ' ', '\t', '\r', '\n']).unwrap_or(self.rest().len());
        self.at += length;
        if self.is_secret(&self.text[start..self.at]) {
            self.hidden.push(start..self.at);
            self.garbage();
        }
    }

    /// Hides the rest of the line after a secret value if it does not belong there.
    fn garbage(&mut self) {
        let line = &self.text[self.at..self.line_end()];
        let next = line.trim_start();
        let is_end = next.is_empty() || next.starts_with([',', '}', ']', '#']);
        if !is_end && let Some(last) = self.hidden.last_mut() {
            last.end = self.at + line.trim_end().len();
            self.at = last.end;
        }
    }

    /// Whether a value may be secret: by its place, by its text, or by its key.
    fn is_secret(&self, value: &str) -> bool {
        // Settings such as `TOKENIZERS_PARALLELISM = "false"`, and paths of files with secrets.
        let is_plain = || {
            matches!(value, "true" | "false" | "")
                || value.starts_with('/')
                || (value.len() <= 3 && value.bytes().all(|byte| byte.is_ascii_digit()))
        };
        self.section.len() + self.tables.len() > MOST_NAMES
            || looks_like_credential(value)
            || self.is_secret_section()
            || (self.has_secret_key() && !is_plain())
    }

    /// The keys above the present value, from the section on.
    fn path(&self) -> Vec<&'t str> {
        let keys = self.tables.iter().chain([&self.key]).flatten().flat_map(|key| key.split('.').map(bare));
        self.section.iter().copied().chain(keys).collect()
    }

    fn is_secret_section(&self) -> bool {
        let path = self.path();
        let (Some(first), Some(last)) = (path.first(), path.last()) else { return false };
        self.hide == Hide::SecretSections
            && SECTIONS.contains(first)
            && !PLACES.contains(last)
            && !path.iter().any(|key| CONDITIONS.contains(key))
    }

    fn has_secret_key(&self) -> bool {
        let path = self.path();
        let [.., last] = path.as_slice() else { return false };
        if self.hide == Hide::SecretSections && SECTIONS.contains(&path[0]) {
            return false;
        }
        // `TOKEN = { value = "…" }`: the name is one step above.
        let above = path.len().checked_sub(2).filter(|_| VALUES.contains(last)).map(|at| path[at]);
        let is_reference =
            self.hide == Hide::Credentials && (REFERENCES.contains(last) || self.tables.contains(&Some("secrets")));
        [Some(*last), above].into_iter().flatten().any(names_secret) && !is_reference && !SECTIONS.contains(last)
    }
}

fn names_secret(key: &str) -> bool {
    suggests_credential(key) || NAMES.iter().any(|name| name.eq_ignore_ascii_case(key))
}

/// The names in the brackets of a section's header.
fn header(line: &str) -> Option<&str> {
    let inner = line.trim_start().strip_prefix('[')?;
    let (inner, end) = inner.strip_prefix('[').map_or((inner, "]"), |inner| (inner, "]]"));
    let (name, after) = inner.split_once(end)?;
    let is_name = |c: char| c.is_alphanumeric() || "_-.\"' /:~*@+".contains(c);
    let is_alone = after.trim().is_empty() || after.trim_start().starts_with('#');
    (is_alone && !name.trim().is_empty() && name.chars().all(is_name)).then_some(name)
}

/// The key of a pair at the beginning of a text, and where the value begins.
fn pair(text: &str) -> Option<(&str, usize)> {
    let begin = text.len() - text.trim_start().len();
    let mut quote = None;
    for (at, c) in text.char_indices().skip_while(|(at, _)| *at < begin) {
        match (quote, c) {
            (Some(open), c) if open == c => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => quote = Some(c),
            (None, '=') if at > begin => return Some((text[begin..at].trim(), at + 1)),
            (None, c) if c.is_alphanumeric() || "_-. \t".contains(c) => {}
            _ => return None,
        }
    }
    None
}

/// A key without quotes.
fn bare(key: &str) -> &str {
    key.trim().trim_matches(['"', '\''])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        without_ranges(text, 0..text.len(), &hidden_values(text, Hide::SecretSections))
    }

    #[test]
    fn values_for_secrets_are_hidden_in_every_notation() {
        for (text, wanted) in [
            ("[secrets]\nvalue = \"hunter2\" # x\nscope = \"s\"", "[secrets]\nvalue = \"…\" # x\nscope = \"s\""),
            ("[secrets.db]\nvalue = 'hunter2'", "[secrets.db]\nvalue = '…'"),
            ("secrets.db.value = \"hunter2\"", "secrets.db.value = \"…\""),
            (
                "secrets = { db = { value = \"hunter2\", to = \"/x\" } }",
                "secrets = { db = { value = \"…\", to = \"/x\" } }",
            ),
            (
                "[[logins]]\n\"password\" = \"\"\"\nhunter2\nx\"\"\"\nurl = 'u'",
                "[[logins]]\n\"password\" = \"\"\"…\"\"\"\nurl = 'u'",
            ),
            ("[secrets]\nvalue = hunter2 x", "[secrets]\nvalue = …"),
            ("[secrets]\nvalue = \"hun\"ter2\"", "[secrets]\nvalue = \"…"),
            ("[secrets]\nvalue = \"hunter2\nscope = 's'", "[secrets]\nvalue = \"…\nscope = 's'"),
            ("[secrets]\nvalue = \"a\\\"hunter2\"", "[secrets]\nvalue = \"…\""),
            ("[x]\na = [\n[secrets]\nvalue = 'hunter2'", "[x]\na = [\n[secrets]\nvalue = '…'"),
            ("a = '''b\n[secrets]\nvalue = 'hunter2'", "a = '''…"),
            ("[vars]\nDB_PASSWORD = \"hunter2\"\nuser = \"u\"", "[vars]\nDB_PASSWORD = \"…\"\nuser = \"u\""),
            ("[x]\nlist = [\"a\", { token = \"hunter2\" }, 'b']", "[x]\nlist = [\"a\", { token = \"…\" }, 'b']"),
            ("[x]\na = \"dapi0123456789abcdef\"\nb = 1", "[x]\na = \"…\"\nb = 1"),
            ("[apt.sources.x]\nkey = \"keys/x.asc\"", "[apt.sources.x]\nkey = \"keys/x.asc\""),
            (
                "[secrets.x]\nwhen = { env = { A = \"b\" } }\nkey = \"k\"",
                "[secrets.x]\nwhen = { env = { A = \"b\" } }\nkey = \"…\"",
            ),
            ("[env.DB_PASSWORD]\nvalue = 'hunter2'\nto = 'os'", "[env.DB_PASSWORD]\nvalue = '…'\nto = 'os'"),
            ("[secrets]\nvalue = [\n['hunter2']\n]", "[secrets]\nvalue = [\n['…']\n]"),
            ("['secrets']\nvalue = 'hunter2'", "['secrets']\nvalue = '…'"),
            ("[vars]\nDB_PASSWORD = [\n'hunter2',\n]", "[vars]\nDB_PASSWORD = [\n'…',\n]"),
            ("[vars]\nDB_PASSWORD = ['hunter2']\nother\n", "[vars]\nDB_PASSWORD = ['…']\nother\n"),
            ("[vars]\nDB_PASSWORD = [\n[22222, 33333]\n]", "[vars]\nDB_PASSWORD = [\n[…, …]\n]"),
            ("[vars]\nDB_PASSWORD = [\n[22222], 33333\n]", "[vars]\nDB_PASSWORD = [\n[…], …\n]"),
            ("[x]\na = '''b'''\nc = \"d", "[x]\na = '''b'''\nc = \"d"),
            (
                "[x]\nTOKENS = 'false'\nTOKEN_FILE = '/x'\nTOKEN_PORT = 443",
                "[x]\nTOKENS = 'false'\nTOKEN_FILE = '/x'\nTOKEN_PORT = 443",
            ),
            ("[x]\nTOKEN_PORT = 4711\nTOKEN = 'abc'", "[x]\nTOKEN_PORT = …\nTOKEN = '…'"),
            ("[secrets.x]\nwhen = { env = { MY_TOKEN = 'b' } }", "[secrets.x]\nwhen = { env = { MY_TOKEN = 'b' } }"),
            ("[services.x]\nsecret = 'family/db'", "[services.x]\nsecret = '…'"),
            ("[services.token-x]\ncommand = ['/bin/x']", "[services.token-x]\ncommand = ['/bin/x']"),
            ("[secrets]\nscope = 's'\nvalue hunter2\nmode = '4'", "[secrets]\nscope = 's'\n…\nmode = '4'"),
        ] {
            assert_eq!(shown(text), wanted, "{text}");
        }
    }

    #[test]
    fn values_outside_of_the_shown_part_are_not_marked() {
        assert_eq!(without_ranges("abcdefghij", 4..8, &[0..2, 2..4, 5..6, 8..9]), "e…gh");
        assert_eq!(without_ranges("abcdefghij", 4..8, &[3..5, 7..9]), "…fg…");
    }

    #[test]
    fn values_below_many_names_are_hidden_without_following_the_names() {
        let nested = |depth: usize| format!("[x]\n{}b = 1{}", "a = { ".repeat(depth), " }".repeat(depth));
        assert_eq!(shown(&nested(MOST_NAMES - 1)), nested(MOST_NAMES - 1));
        assert_eq!(shown(&nested(MOST_NAMES)), nested(MOST_NAMES).replace("= 1", "= …"));
        let section = format!("[{}]\nb = 1", "a.".repeat(MOST_NAMES + 1));
        assert_eq!(shown(&section), section.replace("= 1", "= …"));
    }

    #[test]
    fn in_a_checked_profile_only_credentials_are_hidden() {
        let text = "[secrets.x]\nkey = \"k\"\n[services.x]\nsecret = 'family/db'\n[vars]\ntoken = \"t\"\n";
        let hidden = hidden_values(text, Hide::Credentials);
        assert_eq!(without_ranges(text, 0..text.len(), &hidden), text.replace("\"t\"", "\"…\""));
    }
}
