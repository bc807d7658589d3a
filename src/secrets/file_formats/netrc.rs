//! An entry in a netrc: `machine HOST login NAME password VALUE`.
//!
//! Its readers (Python's `netrc` for pip, rust-netrc for uv, curl for git) differ in quotes and backslashes, and old
//! ones split words at letters outside ASCII. Only values that all of them read in the same way are accepted.

use super::format_error::{FormatError, check_one_line};

const NOT_ONE_WORD: FormatError = FormatError {
    what: "it contains a character that readers of netrc interpret differently",
    hint: "use ASCII without spaces and backslashes, and without `\"` or `#` at the start, or deliver it with `file`",
};

pub(super) fn line(machine: &str, login: &str, value: &[u8]) -> Result<Vec<u8>, FormatError> {
    check_one_line(value)?;
    let plain = value.iter().all(|&byte| byte.is_ascii_graphic() && byte != b'\\');
    if !plain || matches!(value.first(), None | Some(b'"' | b'#')) {
        return Err(NOT_ONE_WORD);
    }
    Ok([b"machine ", machine.as_bytes(), b" login ", login.as_bytes(), b" password ", value, b"\n"].concat())
}

/// Whether a netrc has an entry for a machine. If there are two entries for a machine, some readers use the first one
/// and others the last one.
pub fn names_machine(text: &[u8], machine: &str) -> bool {
    let lines = text.split(|&byte| byte == b'\n').filter(|line| !line.trim_ascii_start().starts_with(b"#"));
    let mut words = lines.flat_map(|line| line.split(u8::is_ascii_whitespace)).filter(|word| !word.is_empty());
    while let Some(word) = words.next() {
        match word {
            b"machine" if words.next() == Some(machine.as_bytes()) => return true,
            b"login" | b"user" | b"account" | b"password" => drop(words.next()),
            _ => {}
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_that_readers_interpret_differently_are_refused() {
        for value in [r"a\b", "a b", "\"a\"", "#a", "caf\u{e9}", "", "a\tb"] {
            assert_eq!(line("m", "l", value.as_bytes()), Err(NOT_ONE_WORD), "{value}");
        }
        assert_eq!(line("m", "l", b"a\"#:'$%b").expect("one word"), b"machine m login l password a\"#:'$%b\n");
    }

    #[test]
    fn a_machine_is_recognized_by_its_keyword() {
        let text = b"# machine a\nmachine b\n\tlogin machine password c\ndefault login x password machine a\n";
        assert!(names_machine(text, "b"));
        assert!(!names_machine(text, "a") && !names_machine(text, "c") && !names_machine(text, "password"));
    }
}
