//! Why a database did not do what it was asked: psql's and the server's words, told apart by what a person has to do.

use super::PsqlSession;
use crate::{exec::ExecError, report::text::clean};

/// The most lines of the server's words that are shown.
const MOST_LINES: usize = 6;

/// A connection or a statement that failed. Never holds a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct DbError {
    /// What failed, in one line.
    pub message: String,
    /// The server's own words.
    pub said: Vec<String>,
    /// What to do.
    pub hint: Option<String>,
}

impl DbError {
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), said: Vec::new(), hint: None }
    }

    pub(super) fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }
}

/// psql's status when there is no connection, or none any more.
const NO_CONNECTION: i32 = 2;

/// What a server or libpq says, and what it means.
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

/// Words of version 15 when there is no connection. The first that is there counts.
const OF_CONNECTIONS: [(&str, FailureCause); 22] = [
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

/// The same of a statement's error.
const OF_STATEMENTS: [(&str, FailureCause); 4] = [
    ("due to statement timeout", FailureCause::Timeout),
    ("permission denied", FailureCause::Privilege),
    ("must be owner of", FailureCause::Privilege),
    ("in a read-only transaction", FailureCause::Privilege),
];

fn cause(status: i32, stderr: &str) -> FailureCause {
    let known = |table: &[(&str, FailureCause)], text: &str| {
        table.iter().find(|(words, _)| text.contains(words)).map(|(_, cause)| *cause)
    };
    if status == NO_CONNECTION {
        return known(&OF_CONNECTIONS, stderr).unwrap_or(FailureCause::Connection);
    }
    let error = stderr.lines().find(|line| line.starts_with("ERROR:")).unwrap_or_default();
    known(&OF_STATEMENTS, error).unwrap_or(FailureCause::Statement)
}

/// The error for what psql said when it failed.
pub(super) fn of(session: &PsqlSession, status: i32, stderr: &str) -> DbError {
    let database = &session.database.name;
    let place = format!("{}:{}", session.database.host, session.database.port);
    let user = session.user;
    let (message, hint) = match cause(status, stderr) {
        FailureCause::Password => (
            format!("the server of `{database}` does not take the password of `{user}`"),
            "the secret and the server's password differ; ask whoever keeps the database to renew one of them"
                .to_owned(),
        ),
        FailureCause::User => (
            format!("the server of `{database}` has no login for `{user}`"),
            "check `users` of the database in the access file, or ask whoever keeps the database".to_owned(),
        ),
        FailureCause::Database => (
            format!("the server at {place} has no database `{}`", session.database.database),
            "check `database` in the access file".to_owned(),
        ),
        FailureCause::AccessList => (
            format!("the server of `{database}` takes no connection of `{user}` from this node in this way"),
            "its pg_hba.conf decides by node, user and encryption; check `sslmode`, or ask whoever keeps it".to_owned(),
        ),
        FailureCause::Tls => (
            format!("the connection to `{database}` cannot be secured by TLS as the access file asks for"),
            "check `sslmode`, `host` and `ca` of the database in the access file".to_owned(),
        ),
        FailureCause::Unreachable => (
            format!("the server of `{database}` cannot be reached at {place}"),
            "check `host` and `port` in the access file, and that the node may connect there".to_owned(),
        ),
        FailureCause::Full => (
            format!("the server of `{database}` has no connection left"),
            "try again later, or ask whoever keeps the database".to_owned(),
        ),
        FailureCause::Timeout => {
            let limit = session.timeout.map(|limit| format!(" of {}", humantime::format_duration(limit)));
            let message = format!("a statement was ended at its time limit{}", limit.unwrap_or_default());
            (message, "give it more with `--timeout`, or ask for less".to_owned())
        }
        FailureCause::Privilege => (
            format!("`{user}` may not do that in `{database}`"),
            "the database's own privileges decide; `nodeagent auth can connect` shows as whom else you may connect"
                .to_owned(),
        ),
        FailureCause::Connection => {
            (format!("there is no connection to `{database}` as `{user}`"), "ask whoever keeps the database".to_owned())
        }
        FailureCause::Statement => {
            return DbError { said: said(stderr), ..DbError::new(format!("`{database}` did not run the statement")) };
        }
    };
    DbError { message, said: said(stderr), hint: Some(hint) }
}

/// psql is not there, or was ended.
pub(super) fn not_run(error: &ExecError) -> DbError {
    let failed = DbError::new(error.to_string());
    match error {
        ExecError::NotStarted { .. } => failed.hint("install PostgreSQL's client: the package `postgresql-client`"),
        _ => failed,
    }
}

/// The system has no file in memory for us.
pub(super) fn no_passfile(error: &std::io::Error) -> DbError {
    DbError::new(format!("the password cannot be kept in memory: {error}")).hint("a kernel of 3.17 or later is needed")
}

fn said(stderr: &str) -> Vec<String> {
    let lines = stderr.lines().map(|line| clean(line.trim_end().trim_start_matches("psql: error: ")));
    lines.filter(|line| !line.is_empty()).take(MOST_LINES).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn real_words_of_the_client_are_told_apart_by_what_to_do() {
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
    fn a_statement_cannot_pass_for_another_failure() {
        let text =
            "ERROR:  relation \"x\" does not exist\nLINE 1: select 'permission denied', 'Connection refused' from x\n";
        assert_eq!(cause(1, text), FailureCause::Statement);
    }
}
