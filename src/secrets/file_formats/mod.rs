//! How secrets stand in the files they go to, as those who read these files parse them. Pure: from values to bytes.

mod block;
mod env_file;
mod git;
mod netrc;
mod pgpass;
mod template;

use std::fmt;

use secrecy::zeroize::Zeroizing;
use url::Url;

pub use self::{
    block::{UnpairedMarker, has_block, with_block, without_block},
    git::{has_lines, identity, with_lines, without_lines},
    netrc::names_machine,
    template::{InvalidPlaceholder, TemplatePart, pieces},
};

/// How a secret stands in the file it goes to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum SecretFormat {
    /// The file is the value.
    Whole,
    /// A variable of a file that shells and systemd read.
    Variable(String),
    /// A line of a password file of PostgreSQL.
    Pgpass {
        /// The server; `*` is any.
        host: String,
        /// Its port; `*` is any.
        port: String,
        /// The database; `*` is any.
        database: String,
        /// The user of the database.
        user: String,
    },
    /// An entry of a netrc.
    Netrc {
        /// The server.
        machine: String,
        /// Who logs in there.
        login: String,
    },
    /// A line of a file that git's own credential helper `store` keeps.
    GitCredentials {
        /// The server, without user and password.
        url: Url,
        /// Who logs in there.
        user: String,
    },
    /// A place in a template.
    Template,
}

/// What kind of file a form belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum FileFormat {
    /// One value.
    Whole,
    /// Variables.
    EnvFile,
    /// A password file of PostgreSQL.
    Pgpass,
    /// A netrc.
    Netrc,
    /// The file of git's credential helper `store`.
    GitCredentials,
    /// A filled-in template.
    Template,
}

impl FileFormat {
    /// Whether others may have entries of their own in the file, which are kept.
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

/// A value that a format cannot hold, so that its readers would see another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub struct FormatError {
    what: &'static str,
    /// What to do.
    pub hint: &'static str,
}

const LINE_BREAK: FormatError = FormatError {
    what: "it holds a line break, and a line of this format cannot",
    hint: "store the secret without (`printf %s` adds none), or deliver it with `file`",
};
const NUL: FormatError = FormatError {
    what: "it holds a zero byte, and text cannot",
    hint: "deliver it with `file`, which takes any bytes",
};

/// What goes into a file: it holds secrets, is not shown, and is wiped from memory when dropped.
pub struct Rendered(Zeroizing<Vec<u8>>);

impl Rendered {
    /// Takes bytes in.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
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
    /// The kind of file it belongs to.
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

    /// The value as it stands in its file, with the end of its line where it is one.
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

/// Whether the value has a line break or a zero byte, which no format of lines can hold.
fn one_line(value: &[u8]) -> Result<(), FormatError> {
    if value.contains(&0) {
        return Err(NUL);
    }
    if value.iter().any(|byte| matches!(byte, b'\n' | b'\r')) { Err(LINE_BREAK) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_in_the_making_is_not_shown() {
        let written = SecretFormat::Variable("TOKEN".into()).written(b"hunter2").expect("it fits");
        assert_eq!(format!("{written:?}"), "Rendered([redacted])");
        assert_eq!(written.reveal(), b"TOKEN=\"hunter2\"\n");
    }

    #[test]
    fn a_format_of_lines_holds_no_line_break() {
        for form in [
            SecretFormat::Pgpass { host: "h".into(), port: "*".into(), database: "*".into(), user: "u".into() },
            SecretFormat::Netrc { machine: "m".into(), login: "l".into() },
            SecretFormat::GitCredentials { url: "https://h".parse().expect("an address"), user: "u".into() },
        ] {
            assert_eq!(form.written(b"hunter2\n").expect_err("a line break"), LINE_BREAK, "{form:?}");
            assert_eq!(form.written(b"hunter2\r").expect_err("a line break"), LINE_BREAK, "{form:?}");
            assert_eq!(form.written(b"hunter2\0").expect_err("a zero byte"), NUL, "{form:?}");
        }
    }
}
