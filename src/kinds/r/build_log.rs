//! Selects the lines of a build's output that explain its failure.

use crate::redact;

/// The maximum number of selected lines.
const MOST_LINES: usize = 6;

/// The marks of relevant lines, most specific first.
const MARKS: [&[&str]; 4] = [
    &[
        "fatal error:",
        "cannot find -l",
        "cannot open shared object file",
        "undefined symbol",
        "No space left on device",
        "Cannot allocate memory",
        "virtual memory exhausted",
        "Killed signal",
        "failed to lock directory",
    ],
    &[
        ": not found",
        ": command not found",
        "make: g",
        "configure: error:",
        "there is no package called",
        "is not available",
        "is required but",
        "undefined reference to",
        "is being loaded, but",
        "deb: ",
    ],
    &["error: ", "Error: ", "Error in "],
    &["ERROR: "],
];

/// The relevant lines in their original order. If there are none, the last lines.
pub(super) fn relevant_lines(output: &str) -> Vec<String> {
    let output = redact::text(output);
    let lines: Vec<&str> = output.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let mut chosen: Vec<usize> = Vec::new();
    for marks in MARKS {
        for (position, line) in lines.iter().enumerate() {
            let new = !chosen.iter().any(|&other| lines[other] == *line);
            if new && chosen.len() < MOST_LINES && is_relevant(line, marks) {
                chosen.push(position);
            }
        }
    }
    if chosen.is_empty() {
        chosen = (lines.len().saturating_sub(MOST_LINES)..lines.len()).collect();
    }
    chosen.sort_unstable();
    chosen.into_iter().map(|position| lines[position].to_owned()).collect()
}

/// Commands and `configure` checks contain the same words, as in `checking for gcc... not found` and `-Werror=…`.
fn is_relevant(line: &str, marks: &[&str]) -> bool {
    !line.starts_with("checking ") && marks.iter().any(|mark| line.contains(mark))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_header_is_selected_from_thousands_of_lines() {
        let noise = "gcc -I/usr/share/R/include -Werror=format-security -c x.c -o x.o\n".repeat(1000);
        let log = format!(
            "* installing *source* package ‘sodium’ ...\n{noise}\
             sodium.c:1:10: fatal error: sodium.h: No such file or directory\n    1 | #include <sodium.h>\n\
             compilation terminated.\n{noise}ERROR: compilation failed for package ‘sodium’\n\
             * removing ‘/lib/sodium’\n"
        );
        assert_eq!(
            relevant_lines(&log),
            [
                "sodium.c:1:10: fatal error: sodium.h: No such file or directory",
                "ERROR: compilation failed for package ‘sodium’"
            ]
        );
    }

    #[test]
    fn messages_of_configure_scripts_are_selected() {
        let log = "Package libcurl was not found in the pkg-config search path.\n\
                   --------------------------- [ANTICONF] --------------------------------\n\
                   Configuration failed because libcurl was not found. Try installing:\n \
                   * deb: libcurl4-openssl-dev (Debian, Ubuntu, etc)\n * rpm: libcurl-devel (Fedora)\n\
                   ERROR: configuration failed for package ‘curl’\n";
        assert_eq!(
            relevant_lines(log),
            ["* deb: libcurl4-openssl-dev (Debian, Ubuntu, etc)", "ERROR: configuration failed for package ‘curl’"]
        );
    }

    #[test]
    fn a_secret_across_selected_lines_is_redacted() {
        drop(redact::Secret::from("hunter22-hunter33".to_owned()));
        let log = "ERROR: hunter22-\nhunter33\nERROR: x\n";
        assert_eq!(relevant_lines(log), ["ERROR: [redacted]", "ERROR: x"]);
    }

    #[test]
    fn without_a_relevant_line_the_last_lines_are_shown() {
        let log = (0..20).map(|n| format!("line {n}")).collect::<Vec<_>>().join("\n");
        assert_eq!(relevant_lines(&log).last().map(String::as_str), Some("line 19"));
        assert_eq!(relevant_lines(""), Vec::<String>::new());
    }
}
