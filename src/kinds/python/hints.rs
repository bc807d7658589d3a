//! Maps output of uv, pip and Python to hints. Unknown output gets no hint.

use std::sync::LazyLock;

use regex::Regex;

use crate::{exec::KILLED_HINT, fs::DISK_FULL, http::CLOCK_HINT};

type Remedy = fn(&regex::Captures<'_>) -> String;

static TABLE: LazyLock<Vec<(Regex, Remedy)>> = LazyLock::new(|| {
    let table: [(&str, Remedy); 12] = [
        (r"ensurepip is not available", |_| {
            "install `python3-venv` with `[apt]`, or allow uv: remove `installer = \"pip\"`".to_owned()
        }),
        (r"Because (\S+) was not found in the package registry", |found| {
            format!("no index has `{}`; check the name, or add its index under `extra-index-urls`", &found[1])
        }),
        (r"No matching distribution found for (\S+)", |found| {
            format!("no index has `{}` for this interpreter; check the name and the version", &found[1])
        }),
        (r"there (?:is|are) no versions? of (\S+)", |found| {
            format!(
                "no index has this version of `{}`; check the version and the interpreter",
                found[1].trim_end_matches(',')
            )
        }),
        (r"THESE PACKAGES DO NOT MATCH THE HASHES|Hash mismatch for", |_| {
            "a file does not match the hash in the requirements file; check the index before trusting it".to_owned()
        }),
        (r"No space left on device|os error 28", |_| DISK_FULL.to_owned()),
        (r"fatal error: (\S+\.h): No such file", |found| {
            format!(
                "a distribution is compiled on this node and needs `{}`; add the -dev package that contains it under `[apt] packages`",
                &found[1]
            )
        }),
        (r"Killed signal terminated program|signal: 9 \(SIGKILL\)|exit status: 137|MemoryError", |_| {
            KILLED_HINT.to_owned()
        }),
        (
            r"certificate (?:has )?expired|certificate is not yet valid|certificate not valid yet|peer certificate: (?:Expired|NotValidYet)",
            |_| CLOCK_HINT.to_owned(),
        ),
        (r"invalid peer certificate|CERTIFICATE_VERIFY_FAILED", |_| {
            "the index's certificate is not trusted on this node; add the authority to the node's CA certificates"
                .to_owned()
        }),
        (r"Temporary failure in name resolution|dns error|Connection refused|tcp connect error", |_| {
            "the index cannot be reached; check the address, the proxy and the node's network".to_owned()
        }),
        (r"Permission denied|os error 13", |_| "run nodeagent as root".to_owned()),
    ];
    table.map(|(pattern, remedy)| (Regex::new(pattern).expect("the pattern is fixed"), remedy)).into()
});

/// Whether the output says that no choice of versions satisfies the requirements, as opposed to a failure that another
/// try may not have: an index that cannot be reached, a full disk.
pub(super) fn is_final(words: &str) -> bool {
    static UNSATISFIABLE: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"No solution found when resolving|No matching distribution found for|ResolutionImpossible")
            .expect("the pattern is fixed")
    });
    // pip reports no distribution when it could not reach the index, too.
    static UNREACHABLE: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"(?i)Retrying \(Retry|connection (?:error|refused|broken|reset)|name resolution|timed out|network|status 40[13]|40[13] (?:Unauthorized|Forbidden)|answered with a web page")
            .expect("the pattern is fixed")
    });
    let flat = words.split_whitespace().collect::<Vec<_>>().join(" ");
    UNSATISFIABLE.is_match(&flat) && !UNREACHABLE.is_match(&flat)
}

/// The hint for the output of an installer.
pub(super) fn of(words: &str) -> Option<String> {
    // Messages are wrapped at the width of a terminal.
    let flat = words.split_whitespace().collect::<Vec<_>>().join(" ");
    TABLE.iter().find_map(|(pattern, remedy)| pattern.captures(&flat).map(|found| remedy(&found)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_resolution_that_cannot_succeed_is_final() {
        let uv = "  × No solution found when resolving dependencies:\n  ╰─▶ Because nltkk was not found in the package registry";
        assert!(is_final(uv));
        assert!(is_final("ERROR: No matching distribution found for spacy==99"));
        assert!(is_final("ERROR: ResolutionImpossible: for help visit https://pip.pypa.io/"));
        let down = "WARNING: Retrying (Retry(total=0, connect=None, read=None, redirect=None, status=None)) after connection \
                    broken by 'NewConnectionError'\nERROR: No matching distribution found for nltk";
        assert!(!is_final(down));
        assert!(!is_final("No matching distribution found for x\n`http://h/x/` refuses access (status 401)"));
        assert!(!is_final(
            "No matching distribution found for x\n`http://h/x/` answered with a web page, not as a package index"
        ));
        assert!(!is_final("error: Failed to fetch: `https://pypi.org/simple/nltk/`\n  Caused by: dns error"));
    }

    #[test]
    fn real_messages_have_hints() {
        let cases = [
            (
                "  × No solution found when resolving dependencies:\n  ╰─▶ Because nltkk was not found in the package registry and you require\n      nltkk, we can conclude that your requirements are unsatisfiable.",
                "`nltkk`",
            ),
            ("ERROR: No matching distribution found for spacy==99", "`spacy==99`"),
            ("  ╰─▶ Because there is no version of nltk==99 and you require nltk==99", "`nltk==99`"),
            (
                "error: Failed to write to the client cache\n  Caused by: No space left on device (os error 28)",
                "disk is full",
            ),
            ("    psycopg/psycopg.h:30:10: fatal error: libpq-fe.h: No such file or directory", "`libpq-fe.h`"),
        ];
        for (words, part) in cases {
            let hint = of(words).unwrap_or_else(|| panic!("no hint for {words}"));
            assert!(hint.contains(part), "{hint}");
        }
        let debian = "The virtual environment was not created successfully because ensurepip is not\navailable.  On \
                      Debian/Ubuntu systems, you need to install the python3-venv\npackage using the following command.";
        assert!(of(debian).expect("a hint").contains("`python3-venv`"));
        assert_eq!(of("error: something new"), None);
    }
}
