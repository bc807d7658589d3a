//! The line of a password file: <https://www.postgresql.org/docs/15/libpq-pgpass.html>.

use super::{error::DbError, session::PsqlSession};
use crate::secrets::file_formats::{Rendered, SecretFormat};

/// The line for the user, the database and the server of a session. It has no wildcards, so that the password is not
/// sent to another server.
pub(super) fn line(session: &PsqlSession) -> Result<Rendered, DbError> {
    let database = session.database;
    let password = session.password.without_line_end();
    let unusable = |reason: &str| {
        let message = format!("the password of `{}` for `{}` cannot be used: {reason}", session.user, database.name);
        DbError::new(message).hint("ask the owner of the secret to store only the password")
    };
    if password.is_empty() {
        return Err(unusable("it is empty"));
    }
    let form = SecretFormat::Pgpass {
        host: database.host.clone(),
        port: database.port.to_string(),
        database: database.database.clone(),
        user: session.user.to_owned(),
    };
    form.written(password).map_err(|unfit| unusable(&unfit.to_string()))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::{
        auth::{Database, SslMode},
        diagnostic::Origin,
        redact::Secret,
    };

    fn line_of(password: &str) -> Result<String, DbError> {
        let database = Database {
            name: "analytics".into(),
            host: "::1".into(),
            port: 5432,
            database: "an:alytics".into(),
            sslmode: SslMode::VerifyFull,
            ca: None,
            users: BTreeMap::new(),
            origin: Origin { file: "access.toml".into(), line: 1, column: 1 },
        };
        let password = Secret::from(password.to_owned());
        let session =
            PsqlSession { database: &database, user: "read_only", password: &password, ca: None, timeout: None };
        line(&session).map(|line| String::from_utf8(line.reveal().to_vec()).expect("UTF-8"))
    }

    #[test]
    fn the_line_is_for_one_user_of_one_server() {
        assert_eq!(line_of(r"a:b\c").expect("a line"), "\\:\\:1:5432:an\\:alytics:read_only:a\\:b\\\\c\n");
    }

    #[test]
    fn a_line_end_after_the_password_is_removed() {
        assert!(line_of("word\r\n").expect("a line").ends_with(":word\n"));
    }

    #[test]
    fn an_invalid_password_is_refused_and_not_shown() {
        for password in ["", "\n", "hunter\nline", "hunter\0"] {
            let error = line_of(password).expect_err("no password");
            assert!(!format!("{error:?}").contains("hunter"), "{error:?}");
        }
    }
}
