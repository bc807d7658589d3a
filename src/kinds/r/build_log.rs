//! The lines of a build's output that say why it failed.

/// So many lines are enough.
const MOST_LINES: usize = 6;

/// What a decisive line has in it, the most telling first.
const TELLING: [&[&str]; 4] = [
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

/// The decisive lines, in the order they were written; at worst the last lines.
pub(super) fn decisive(output: &str) -> Vec<String> {
    let lines: Vec<&str> = output.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let mut chosen: Vec<usize> = Vec::new();
    for marks in TELLING {
        for (position, line) in lines.iter().enumerate() {
            let new = !chosen.iter().any(|&other| lines[other] == *line);
            if new && chosen.len() < MOST_LINES && is_telling(line, marks) {
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

/// Commands and answers of `configure` repeat the very words: `checking for gcc... not found`, `-Werror=…`.
fn is_telling(line: &str, marks: &[&str]) -> bool {
    !line.starts_with("checking ") && marks.iter().any(|mark| line.contains(mark))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_header_is_found_among_thousands_of_lines() {
        let noise = "gcc -I/usr/share/R/include -Werror=format-security -c x.c -o x.o\n".repeat(1000);
        let log = format!(
            "* installing *source* package ‘sodium’ ...\n{noise}\
             sodium.c:1:10: fatal error: sodium.h: No such file or directory\n    1 | #include <sodium.h>\n\
             compilation terminated.\n{noise}ERROR: compilation failed for package ‘sodium’\n\
             * removing ‘/lib/sodium’\n"
        );
        assert_eq!(
            decisive(&log),
            [
                "sodium.c:1:10: fatal error: sodium.h: No such file or directory",
                "ERROR: compilation failed for package ‘sodium’"
            ]
        );
    }

    #[test]
    fn the_words_of_configure_scripts_are_kept() {
        let log = "Package libcurl was not found in the pkg-config search path.\n\
                   --------------------------- [ANTICONF] --------------------------------\n\
                   Configuration failed because libcurl was not found. Try installing:\n \
                   * deb: libcurl4-openssl-dev (Debian, Ubuntu, etc)\n * rpm: libcurl-devel (Fedora)\n\
                   ERROR: configuration failed for package ‘curl’\n";
        assert_eq!(
            decisive(log),
            ["* deb: libcurl4-openssl-dev (Debian, Ubuntu, etc)", "ERROR: configuration failed for package ‘curl’"]
        );
    }

    #[test]
    fn where_nothing_is_telling_the_end_is_shown() {
        let log = (0..20).map(|n| format!("line {n}")).collect::<Vec<_>>().join("\n");
        assert_eq!(decisive(&log).last().map(String::as_str), Some("line 19"));
        assert_eq!(decisive(""), Vec::<String>::new());
    }
}
