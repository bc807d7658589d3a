//! An environment file, which a shell reads with `. FILE` and systemd with `EnvironmentFile=`.
//!
//! Both parse double quotes in the same way: a backslash escapes `"`, `\`, `` ` `` and `$`, and a line break is literal
//! (POSIX, Shell Command Language 2.2.3; systemd.exec(5)). Single quotes differ: older versions of systemd interpret a
//! backslash in them.

use super::format_error::{FormatError, NUL};

const NOT_TEXT: FormatError = FormatError {
    what: "it is not UTF-8 text, and a variable must be",
    hint: "deliver it with `file`, which accepts any bytes",
};
const CONTROL: FormatError = FormatError {
    what: "it contains a control character, which systemd does not accept in a variable",
    hint: "deliver it with `file`, which accepts any bytes",
};

/// The line of one variable.
pub(super) fn line(name: &str, value: &[u8]) -> Result<Vec<u8>, FormatError> {
    if value.contains(&0) {
        return Err(NUL);
    }
    let text = std::str::from_utf8(value).map_err(|_| NOT_TEXT)?;
    if text.chars().any(|c| c.is_control() && c != '\n' && c != '\t') {
        return Err(CONTROL);
    }
    let mut line = Vec::with_capacity(name.len() + 2 * value.len() + 4);
    line.extend(name.as_bytes());
    line.extend(b"=\"");
    for &byte in value {
        if matches!(byte, b'"' | b'\\' | b'`' | b'$') {
            line.push(b'\\');
        }
        line.push(byte);
    }
    line.extend(b"\"\n");
    Ok(line)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exec::{Cmd, Runner as _, SystemRunner};

    /// Characters with a special meaning in shells.
    const SPECIAL: &str = " a\"b'c\\d\\\\e$HOME`id`$(id)!!\n#f=g;h&|<>*?[]{}~ é \t";

    #[tokio::test]
    async fn a_shell_reads_the_same_value() {
        let temp = tempfile::tempdir().expect("a temporary folder");
        let file = temp.path().join("x.env");
        crate::fs::replace(
            &file,
            &line("SECRET", SPECIAL.as_bytes()).expect("it fits"),
            crate::fs::Attributes::mode(0o600),
        )
        .expect("written");
        for shell in ["sh", "bash"] {
            let script = format!(". {}; printf %s \"$SECRET\"", file.display());
            let read = SystemRunner::new(None, []).run(&Cmd::new(shell).args(["-c", &script])).await.expect("it runs");
            assert_eq!(read.stdout, SPECIAL, "{shell}");
        }
    }

    #[test]
    fn values_that_systemd_ignores_are_refused() {
        assert_eq!(line("X", b"a\x1b[0m"), Err(CONTROL));
        assert_eq!(line("X", b"caf\xe9"), Err(NOT_TEXT));
        assert_eq!(line("X", b"a\0b"), Err(NUL));
    }
}
