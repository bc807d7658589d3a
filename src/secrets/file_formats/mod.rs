//! The formats of the files that secrets are written to. Pure functions from values to bytes.

mod env_file;
mod format_error;
mod git;
mod netrc;
mod pgpass;
mod template;

use std::fmt;

use secrecy::zeroize::Zeroizing;
use url::Url;

pub use self::{
    format_error::FormatError,
    git::{has_lines, identity, with_lines, without_lines},
    netrc::names_machine,
    template::{InvalidPlaceholder, TemplatePart, pieces},
};

/// The format of a secret in its file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum SecretFormat {
    /// The file contains only the value.
    Whole,
    /// A variable in an environment file of a shell or of systemd.
    Variable(String),
    /// A line in a password file of PostgreSQL.
    Pgpass {
        /// The host of the server. `*` matches any host.
        host: String,
        /// The port. `*` matches any port.
        port: String,
        /// The database. `*` matches any database.
        database: String,
        /// The user of the database.
        user: String,
    },
    /// An entry in a netrc.
    Netrc {
        /// The server.
        machine: String,
        /// The user name.
        login: String,
    },
    /// A line in the file of git's credential helper `store`.
    GitCredentials {
        /// The address of the server, without user and password.
        url: Url,
        /// The user name.
        user: String,
    },
    /// A placeholder in a template.
    Template,
}

/// The format of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum FileFormat {
    /// One value.
    Whole,
    /// Environment variables.
    EnvFile,
    /// A password file of PostgreSQL.
    Pgpass,
    /// A netrc.
    Netrc,
    /// The file of git's credential helper `store`.
    GitCredentials,
    /// A rendered template.
    Template,
}

impl FileFormat {
    /// Whether the file may contain entries of others, which are kept.
    pub fn is_shared(self) -> bool {
        matches!(self, Self::Pgpass | Self::Netrc | Self::GitCredentials)
    }
}

impl fmt::Display for FileFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Whole => "file",
            Self::EnvFile => "env-file",
            Self::Pgpass => "pgpass",
            Self::Netrc => "netrc",
            Self::GitCredentials => "git-credentials",
            Self::Template => "template",
        })
    }
}

/// The content of a file with secrets. It is not printed, and it is wiped from memory when dropped.
#[derive(Default)]
pub struct Rendered(Zeroizing<Vec<u8>>);

impl Rendered {
    /// Wraps bytes.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// Appends bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.0.capacity() < self.0.len() + bytes.len() {
            // The old memory is wiped when it is dropped. A vector that grows would leave a copy of it.
            let mut larger = Zeroizing::new(Vec::with_capacity(2 * (self.0.len() + bytes.len())));
            larger.extend_from_slice(&self.0);
            self.0 = larger;
        }
        self.0.extend_from_slice(bytes);
    }

    /// The bytes.
    pub fn reveal(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Rendered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Rendered([redacted])")
    }
}

impl SecretFormat {
    /// The format of the file.
    pub fn kind(&self) -> FileFormat {
        match self {
            Self::Whole => FileFormat::Whole,
            Self::Variable(_) => FileFormat::EnvFile,
            Self::Pgpass { .. } => FileFormat::Pgpass,
            Self::Netrc { .. } => FileFormat::Netrc,
            Self::GitCredentials { .. } => FileFormat::GitCredentials,
            Self::Template => FileFormat::Template,
        }
    }

    /// The value in its format, with a line end if the format has lines.
    ///
    /// # Errors
    /// If the format cannot represent the value.
    pub fn written(&self, value: &[u8]) -> Result<Rendered, FormatError> {
        Ok(Rendered::new(match self {
            Self::Whole | Self::Template => value.to_vec(),
            Self::Variable(name) => env_file::line(name, value)?,
            Self::Pgpass { host, port, database, user } => pgpass::line([host, port, database, user], value)?,
            Self::Netrc { machine, login } => netrc::line(machine, login, value)?,
            Self::GitCredentials { url, user } => git::line(url, user, value)?,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::{
        format_error::{LINE_BREAK, NUL},
        *,
    };

    #[test]
    fn a_rendered_file_is_not_printed() {
        let written = SecretFormat::Variable("TOKEN".into()).written(b"hunter2").expect("it fits");
        assert_eq!(format!("{written:?}"), "Rendered([redacted])");
        assert_eq!(written.reveal(), b"TOKEN=\"hunter2\"\n");
    }

    #[test]
    fn a_format_with_lines_refuses_line_breaks() {
        for form in [
            SecretFormat::Pgpass { host: "h".into(), port: "*".into(), database: "*".into(), user: "u".into() },
            SecretFormat::Netrc { machine: "m".into(), login: "l".into() },
            SecretFormat::GitCredentials { url: "https://h".parse().expect("a URL"), user: "u".into() },
        ] {
            assert_eq!(form.written(b"hunter2\n").expect_err("a line break"), LINE_BREAK, "{form:?}");
            assert_eq!(form.written(b"hunter2\r").expect_err("a line break"), LINE_BREAK, "{form:?}");
            assert_eq!(form.written(b"hunter2\0").expect_err("a zero byte"), NUL, "{form:?}");
        }
    }
}
