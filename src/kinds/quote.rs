//! How the formats of text files quote values. All values stay literal for their readers.

use std::fmt::Write as _;

use secrecy::zeroize::Zeroizing;

/// How a format quotes a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quote {
    /// A word of a POSIX shell.
    Shell,
    /// A string of HOCON.
    Hocon,
    /// A value of `java.util.Properties`, as Spark reads it.
    Properties,
}

impl Quote {
    /// The value in this format.
    ///
    /// # Errors
    /// The reason why the format cannot represent it.
    pub fn quoted(self, text: &str) -> Result<Zeroizing<String>, &'static str> {
        match self {
            Self::Shell if text.contains('\0') => Err("it contains a zero byte"),
            Self::Shell => Ok(Zeroizing::new(in_single_quotes(text))),
            Self::Hocon => Ok(hocon(text)),
            Self::Properties => properties(text),
        }
    }
}

/// Single quotes, which a shell does not interpret.
pub(super) fn in_single_quotes(value: &str) -> String {
    format!("'{}'", value.replace('\'', r"'\''"))
}

/// A quoted string of HOCON, which is one of JSON. Nothing is replaced in it.
fn hocon(text: &str) -> Zeroizing<String> {
    let mut quoted = Zeroizing::new(String::with_capacity(2 * text.len() + 2));
    quoted.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            c if c.is_control() => {
                let _ = write!(quoted, "\\u{:04x}", u32::from(c));
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

/// A value of `java.util.Properties`, read as UTF-8. Spark removes spaces and control characters around it, except line
/// breaks (`trimExceptCRLF` of its `Utils`).
fn properties(text: &str) -> Result<Zeroizing<String>, &'static str> {
    if text.is_empty() {
        return Err("Spark ignores an empty value in `spark-defaults.conf`");
    }
    let is_removed = |c: char| c <= ' ' && !matches!(c, '\r' | '\n');
    if text.starts_with(is_removed) || text.ends_with(is_removed) {
        return Err("Spark removes spaces and control characters around a value in `spark-defaults.conf`");
    }
    let mut escaped = Zeroizing::new(String::with_capacity(2 * text.len()));
    for c in text.chars() {
        match c {
            '\\' => escaped.push_str("\\\\"),
            '\n' => escaped.push_str("\\n"),
            '\r' => escaped.push_str("\\r"),
            '\t' => escaped.push_str("\\t"),
            c if c.is_control() => {
                let _ = write!(escaped, "\\u{:04x}", u32::from(c));
            }
            // At the beginning, the reader would skip it as a separator.
            '=' | ':' if escaped.is_empty() => escaped.extend(['\\', c]),
            c => escaped.push(c),
        }
    }
    Ok(escaped)
}
