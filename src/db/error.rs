//! Errors of psql and of the server. Each cause has its own hint.

use super::session::PsqlSession;
use crate::{exec::ExecError, redact, report::text::clean};

/// The maximum number of lines of the server's message.
const MAX_LINES: usize = 6;

/// A connection or a statement failed. The error never contains a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct DbError {
    /// The failure in one line.
    pub message: String,
    /// The message of the server.
    pub output: Vec<String>,
    /// A hint for the operator.
    pub hint: Option<String>,
}

impl DbError {
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), output: Vec::new(), hint: None }
    }

    pub(super) fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }
}

/// The exit status of psql if it cannot connect or loses the connection.
const STATUS_NO_CONNECTION: i32 = 2;

/// The cause of an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum FailureCause {
    Password,
    User,
    Database,
    AccessList,
    Tls,
    Unreachable,
    Full,
    Connection,
    Timeout,
    Privilege,
    Statement,
}

/// Messages of version 15 for connections. The first match decides.
const CONNECTION_ERRORS: [(&str, FailureCause); 22] = [
    ("password authentication failed", FailureCause::Password),
    ("no password supplied", FailureCause::Password),
    ("is not permitted to log in", FailureCause::User),
    ("no pg_hba.conf entry", FailureCause::AccessList),
    ("pg_hba.conf rejects connection", FailureCause::AccessList),
    ("server does not support SSL", FailureCause::Tls),
    ("SSL error", FailureCause::Tls),
    ("root certificate file", FailureCause::Tls),
    ("server certificate for", FailureCause::Tls),
    ("certificate verify failed", FailureCause::Tls),
    ("could not translate host name", FailureCause::Unreachable),
    ("Connection refused", FailureCause::Unreachable),
    ("Connection timed out", FailureCause::Unreachable),
    ("timeout expired", FailureCause::Unreachable),
    ("No route to host", FailureCause::Unreachable),
    ("Network is unreachable", FailureCause::Unreachable),
    ("the database system is", FailureCause::Unreachable),
    ("too many connections", FailureCause::Full),
    ("remaining connection slots are reserved", FailureCause::Full),
    ("permission denied for database", FailureCause::Privilege),
    ("FATAL:  role ", FailureCause::User),
    ("FATAL:  database ", FailureCause::Database),
];

/// Messages of version 15 for statements.
const STATEMENT_ERRORS: [(&str, FailureCause); 4] = [
    ("due to statement timeout", FailureCause::Timeout),
    ("permission denied", FailureCause::Privilege),
    ("must be owner of", FailureCause::Privilege),
    ("in a read-only transaction", FailureCause::Privilege),
];

fn cause(status: i32, stderr: &str) -> FailureCause {
    let known = |table: &[(&str, FailureCause)], text: &str| {
        table.iter().find(|(words, _)| text.contains(words)).map(|(_, cause)| *cause)
    };
    if status == STATUS_NO_CONNECTION {
        return known(&CONNECTION_ERRORS, stderr).unwrap_or(FailureCause::Connection);
    }
    let error = stderr.lines().find(|line| line.starts_with("ERROR:")).unwrap_or_default();
    known(&STATEMENT_ERRORS, error).unwrap_or(FailureCause::Statement)
}

/// The error of a psql that failed.
pub(super) fn from_psql(session: &PsqlSession, status: i32, stderr: &str) -> DbError {
    let database = &session.database.name;
    let address = format!("{}:{}", session.database.host, session.database.port);
    let user = session.user;
    let (message, hint) = match cause(status, stderr) {
        FailureCause::Password => (
            format!("the server of `{database}` rejects the password of `{user}`"),
            "the secret and the password on the server differ; ask the owner of the database to update one of them"
                .to_owned(),
        ),
        FailureCause::User => (
            format!("the server of `{database}` has no user `{user}` that may log in"),
            "check `users` of the database in the access file, or ask the owner of the database".to_owned(),
        ),
        FailureCause::Database => (
            format!("the server at {address} has no database `{}`", session.database.database),
            "check `database` in the access file".to_owned(),
        ),
        FailureCause::AccessList => (
            format!("the server of `{database}` does not accept this connection of `{user}` from this node"),
            "its pg_hba.conf decides by node, user and encryption; check `sslmode`, or ask the owner of the server"
                .to_owned(),
        ),
        FailureCause::Tls => (
            format!("the connection to `{database}` cannot use TLS as the access file requires"),
            "check `sslmode`, `host` and `ca` of the database in the access file".to_owned(),
        ),
        FailureCause::Unreachable => (
            format!("the server of `{database}` cannot be reached at {address}"),
            "check `host` and `port` in the access file, and that the node can connect to that address".to_owned(),
        ),
        FailureCause::Full => (
            format!("the server of `{database}` has no free connection"),
            "try again later, or ask the owner of the database".to_owned(),
        ),
        FailureCause::Timeout => {
            let limit = session.timeout.map(|limit| format!(" of {}", humantime::format_duration(limit)));
            let message = format!("a statement was cancelled at its time limit{}", limit.unwrap_or_default());
            (message, "increase the limit with `--timeout`, or reduce the work of the statement".to_owned())
        }
        FailureCause::Privilege => (
            format!("`{user}` does not have the permission in `{database}`"),
            "the privileges of the database decide; `nodeagent auth can connect` tests other users".to_owned(),
        ),
        FailureCause::Connection => {
            (format!("the connection to `{database}` as `{user}` failed"), "ask the owner of the database".to_owned())
        }
        FailureCause::Statement => {
            return DbError {
                output: error_lines(stderr),
                ..DbError::new(format!("`{database}` did not run the statement"))
            };
        }
    };
    DbError { message, output: error_lines(stderr), hint: Some(hint) }
}

/// The error of a psql that could not be started, or was killed.
pub(super) fn not_run(error: &ExecError) -> DbError {
    let failed = DbError::new(error.to_string());
    match error {
        ExecError::NotStarted { .. } => failed.hint("install the PostgreSQL client: the package `postgresql-client`"),
        _ => failed,
    }
}

/// The error of a failed file in memory.
pub(super) fn no_passfile(error: &std::io::Error) -> DbError {
    DbError::new(format!("the password cannot be kept in memory: {error}")).hint("Linux 3.17 or later is required")
}

fn error_lines(stderr: &str) -> Vec<String> {
    let stderr = redact::text(stderr);
    let lines = stderr.lines().map(|line| clean(line.trim_end().trim_start_matches("psql: error: ")));
    lines.filter(|line| !line.is_empty()).take(MAX_LINES).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn real_messages_of_psql_have_a_cause() {
        let connecting = |words: &str| {
            cause(2, &format!("psql: error: connection to server at \"127.0.0.1\", port 5470 failed: {words}\n"))
        };
        let password = "FATAL:  password authentication failed for user \"read_only\"";
        assert_eq!(connecting(password), FailureCause::Password);
        assert_eq!(connecting("FATAL:  database \"nowhere\" does not exist"), FailureCause::Database);
        assert_eq!(connecting("server does not support SSL, but SSL was required"), FailureCause::Tls);
        assert_eq!(connecting("Connection refused\n\tIs the server running on that host?"), FailureCause::Unreachable);
        assert_eq!(connecting("FATAL:  something new"), FailureCause::Connection);
        assert_eq!(cause(1, "ERROR:  canceling statement due to statement timeout\n"), FailureCause::Timeout);
        assert_eq!(cause(1, "ERROR:  permission denied for table salaries\n"), FailureCause::Privilege);
        assert_eq!(cause(1, "ERROR:  cannot execute INSERT in a read-only transaction\n"), FailureCause::Privilege);
    }

    #[test]
    fn the_text_of_a_statement_does_not_change_the_cause() {
        let text =
            "ERROR:  relation \"x\" does not exist\nLINE 1: select 'permission denied', 'Connection refused' from x\n";
        assert_eq!(cause(1, text), FailureCause::Statement);
    }
}
