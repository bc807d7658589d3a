//! The lines of variables in the files of their destinations. Values are literal: no reader expands anything in them.

use super::{checked::Change, destinations::Destination};
use crate::kinds::quote::in_single_quotes;

/// The longest line that PAM reads, in bytes. Before Linux-PAM 1.5.3, a longer line ends the reading of the file.
const LONGEST_PAM_LINE: usize = 1000;
/// The longest line that R reads, in bytes.
const LONGEST_R_LINE: usize = 9000;

/// Why a format cannot represent a value, and what to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unfit {
    pub(super) why: &'static str,
    pub(super) hint: &'static str,
}

const LINE_BREAK: Unfit =
    Unfit { why: "it contains a line break", hint: "name destinations that accept it with `to`: `spark`, `login`" };
const NUL: Unfit = Unfit { why: "it contains a zero byte", hint: "a variable cannot contain one" };

/// The line of a change in the file of a destination. A secret has no line: its file has a reader of its own.
///
/// # Errors
/// If the format cannot represent the value.
pub(super) fn line(to: Destination, name: &str, change: &Change) -> Result<Option<String>, Unfit> {
    let (Change::Set(value) | Change::Prepend(value) | Change::Append(value)) = change else {
        return Ok(matches!(change, Change::Absent).then(|| absent(to, name)));
    };
    if value.contains('\0') {
        return Err(NUL);
    }
    match to {
        Destination::Spark | Destination::Login => Ok(Some(shell(name, value, change))),
        Destination::System => pam(name, value, change).map(Some),
        Destination::R => renviron(name, value, change).map(Some),
        Destination::Run => Ok(None),
    }
}

fn absent(to: Destination, name: &str) -> String {
    match to {
        // The lines of others are in other files, which are read before this one.
        Destination::Login => format!("unset {name}\n"),
        Destination::Spark | Destination::System | Destination::R | Destination::Run => {
            format!("# {name} is absent: nodeagent removed the lines that assign it.\n")
        }
    }
}

/// Lines of a POSIX shell.
fn shell(name: &str, value: &str, change: &Change) -> String {
    let quoted = in_single_quotes(value);
    let joined = match change {
        Change::Prepend(_) => format!("{quoted}\"${{{name}:+:${name}}}\""),
        Change::Append(_) => format!("\"${{{name}:+${name}:}}\"{quoted}"),
        Change::Set(_) | Change::Secret(_) | Change::Absent => return format!("export {name}={quoted}\n"),
    };
    // A nested shell reads the file again.
    format!("case \":${name}:\" in *:{quoted}:*) ;; *) export {name}={joined} ;; esac\n")
}

/// A line of `/etc/environment` (Linux-PAM, `modules/pam_env/pam_env.c`): `#` ends a line also within quotes, and only
/// a quote at the very end is removed.
fn pam(name: &str, value: &str, change: &Change) -> Result<String, Unfit> {
    if matches!(change, Change::Prepend(_) | Change::Append(_)) {
        return Err(Unfit {
            why: "its file cannot refer to the value of a variable",
            hint: "write the whole value, or name other destinations with `to`",
        });
    }
    if value.contains(['\n', '\r']) {
        return Err(LINE_BREAK);
    }
    if value.contains('#') {
        return Err(Unfit {
            why: "it contains `#`, which begins a comment there",
            hint: "name other destinations with `to`: `spark`, `login`",
        });
    }
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_./:@%+,=-".contains(c);
    let line = if !value.is_empty() && value.chars().all(is_plain) {
        format!("{name}={value}\n")
    } else if value.contains('\'') {
        format!("{name}=\"{value}\"\n")
    } else {
        format!("{name}='{value}'\n")
    };
    if line.len() > LONGEST_PAM_LINE {
        return Err(Unfit {
            why: "it is longer than a line that PAM reads",
            hint: "name other destinations with `to`: `spark`, `login`",
        });
    }
    Ok(line)
}

/// A line of `Renviron.site` (R, `src/main/Renviron.c`): first `${NAME-default}` is replaced up to the first `$`
/// without `{`, then quotes are removed. A backslash before the closing quote would keep the quote.
fn renviron(name: &str, value: &str, change: &Change) -> Result<String, Unfit> {
    if value.contains(['\n', '\r']) {
        return Err(LINE_BREAK);
    }
    let line = match change {
        Change::Prepend(_) | Change::Append(_) => {
            if value.contains(['$', '{', '}', '"', '\'', '\\']) {
                return Err(Unfit {
                    why: "it contains a quote, a brace, `$` or a backslash beside the value of a variable",
                    hint: "write the whole value, or name other destinations with `to`",
                });
            }
            // Without a value, the path itself replaces it: an empty element would mean the working directory.
            let others = format!("${{{name}:-{value}}}");
            let is_first = matches!(change, Change::Prepend(_));
            if is_first { format!("{name}=\"{value}:{others}\"\n") } else { format!("{name}=\"{others}:{value}\"\n") }
        }
        Change::Set(_) | Change::Secret(_) | Change::Absent => {
            let text = value.trim_end_matches('\\');
            let backslashes = value.len() - text.len();
            let text = text.replace('"', "\\\"").replace("${", "$\"\"{");
            // Outside quotes, all but the last of several backslashes stay.
            let end = if backslashes == 0 { String::new() } else { "\\".repeat(backslashes + 1) };
            format!("{name}=\"{text}\"{end}\n")
        }
    };
    if line.len() > LONGEST_R_LINE {
        return Err(Unfit {
            why: "it is longer than a line that R reads",
            hint: "name other destinations with `to`: `spark`, `login`",
        });
    }
    Ok(line)
}

#[cfg(test)]
mod tests;
