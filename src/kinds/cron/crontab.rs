//! The text of a file of `/etc/cron.d`.
//!
//! cron passes the command to `/bin/sh`. Before that, it replaces `%` by line feeds, except after a backslash:
//! crontab(5). Some versions also replace two backslashes by one, so that two never stand together here.

use std::fmt::Write as _;

use super::checked::Job;

/// The longest command that cron reads, in bytes: `MAX_COMMAND` of its source is 1000 with the zero at the end.
pub(super) const MAX_COMMAND: usize = 998;

/// The file of a job.
pub(super) fn text(job: &Job) -> String {
    let mut text =
        "# Written by nodeagent from a profile. Changes to this file are replaced.\nSHELL=/bin/sh\n".to_owned();
    for (name, value) in &job.environment {
        let _ = writeln!(text, "{name}={}", quoted_value(value).unwrap_or_default());
    }
    let _ = writeln!(text, "{} {} {}", job.schedule, job.user, command(job));
    text
}

/// The command of a job.
pub(super) fn command(job: &Job) -> String {
    let mut line = job.command.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ");
    if let Some(log) = &job.log {
        let _ = write!(line, " >> {} 2>&1", quoted(&log.display().to_string()));
    }
    line
}

/// A word for `/bin/sh`, as cron must read it.
fn quoted(word: &str) -> String {
    let is_plain =
        !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_./:=@+,".contains(&byte));
    if is_plain {
        return word.to_owned();
    }
    let mut text = "'".to_owned();
    let mut after_backslash = false;
    for c in word.chars() {
        // Two quotes end and begin the quoted text. They keep a backslash apart from the next character.
        if after_backslash && matches!(c, '\\' | '%') {
            text.push_str("''");
        }
        match c {
            '\'' => text.push_str(r#"'"'"'"#),
            '%' => text.push_str("\\%"),
            c => text.push(c),
        }
        after_backslash = c == '\\';
    }
    text.push('\'');
    text
}

/// The value of a variable as cron reads it: `load_env` in `env.c` of its source. `None` if it cannot be written.
pub(super) fn quoted_value(value: &str) -> Option<String> {
    match (value.contains('"'), value.contains('\'')) {
        (false, _) => Some(format!("\"{value}\"")),
        (true, false) => Some(format!("'{value}'")),
        // Without quotes around it, cron takes a value as it is, apart from spaces at its ends.
        (true, true) => (!value.starts_with(['"', '\'']) && value.trim() == value).then(|| value.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_for_cron_and_the_shell() {
        for (word, expected) in [
            ("/usr/bin/rsync", "/usr/bin/rsync"),
            ("", "''"),
            ("a b", "'a b'"),
            ("$HOME `id` *", "'$HOME `id` *'"),
            ("it's", r#"'it'"'"'s'"#),
            ("100%", r"'100\%'"),
            (r"a\b", r"'a\b'"),
            (r"a\\b", r"'a\''\b'"),
            (r"a\%b", r"'a\''\%b'"),
        ] {
            assert_eq!(quoted(word), expected);
        }
    }

    #[test]
    fn values_keep_their_spaces_and_quotes() {
        for (value, expected) in [
            ("info", Some("\"info\"")),
            (" a ", Some("\" a \"")),
            ("it's", Some("\"it's\"")),
            ("a \"b\"", Some("'a \"b\"'")),
            ("it's \"b\"", Some("it's \"b\"")),
            ("\"it's\"", None),
            ("it's \"b\" ", None),
        ] {
            assert_eq!(quoted_value(value).as_deref(), expected, "{value}");
        }
    }

    #[test]
    fn a_job_is_one_line_after_its_variables() {
        let job = Job {
            schedule: "*/5 * * * *".into(),
            command: ["/usr/bin/rsync", "-a", "/opt/x/a b"].map(str::to_owned).to_vec(),
            user: "analyst".into(),
            environment: [("LEVEL".to_owned(), "info".to_owned())].into(),
            log: Some("/var/log/x.log".into()),
        };
        let expected = "# Written by nodeagent from a profile. Changes to this file are replaced.\nSHELL=/bin/sh\n\
                        LEVEL=\"info\"\n*/5 * * * * analyst /usr/bin/rsync -a '/opt/x/a b' >> /var/log/x.log 2>&1\n";
        assert_eq!(text(&job), expected);
    }
}
