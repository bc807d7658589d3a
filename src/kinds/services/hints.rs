//! Hints for messages of systemd and of services.

/// A part of a message, and the hint.
const HINTS: [(&str, &str); 6] = [
    ("status=203/EXEC", "systemd cannot execute the program: check its path, its permissions and its `#!` line"),
    ("status=217/USER", "the user does not exist on this node: check `user`, or create it before"),
    ("status=200/CHDIR", "the working directory does not exist or the user cannot enter it: check `working-directory`"),
    ("Address already in use", "another program uses the port: stop it, or use another port"),
    (
        "Failed to load environment files",
        "the file with the secrets is missing: run nodeagent after each start of the node",
    ),
    ("Unit file is masked", "the unit is masked outside `/etc/systemd/system`: run `systemctl unmask --runtime NAME`"),
];

/// The hint for a failure and the last lines of its log.
pub(super) fn hint(message: &str, lines: &[String]) -> Option<String> {
    let all = || std::iter::once(message).chain(lines.iter().map(String::as_str));
    let found = HINTS.iter().find(|(part, _)| all().any(|line| line.contains(part)));
    found.map(|(_, hint)| (*hint).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn real_messages_have_hints() {
        for (line, part) in [
            ("otelcol.service: Main process exited, code=exited, status=203/EXEC", "cannot execute"),
            ("otelcol.service: Main process exited, code=exited, status=217/USER", "`user`"),
            ("otelcol.service: Main process exited, code=exited, status=200/CHDIR", "working-directory"),
            ("OSError: [Errno 98] Address already in use", "port"),
            ("otelcol.service: Failed to load environment files: No such file or directory", "secrets"),
        ] {
            let found = hint("", &[line.to_owned()]).expect(line);
            assert!(found.contains(part), "{line}: {found}");
        }
        assert_eq!(hint("all is well", &[]), None);
    }
}
