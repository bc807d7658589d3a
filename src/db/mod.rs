//! Connections to databases as one of their users, by psql, the servers' own client. The password is on no disk, in
//! no argument and in no variable: psql reads it from a file in memory.

mod error;
mod passfile;

use std::{
    os::fd::AsRawFd as _,
    path::{Path, PathBuf},
    time::Duration,
};

pub use error::DbError;

use crate::{
    auth::{Database, SslMode},
    exec::{Cmd, Finished, Foreground, Streams},
    fs::memory_file,
    redact::Secret,
};

/// Seconds until a server that does not answer is given up.
const CONNECT_TIMEOUT: &str = "10";
/// Where Debian, Ubuntu and their kin keep the authorities that the node trusts.
const AUTHORITIES: &str = "/etc/ssl/certs/ca-certificates.crt";
/// What psql inherits; all else may hold secrets, or lead it elsewhere.
const INHERITED: [&str; 17] = [
    "COLUMNS",
    "EDITOR",
    "HOME",
    "LANG",
    "LC_CTYPE",
    "LESS",
    "LINES",
    "LOGNAME",
    "PAGER",
    "PATH",
    "SHELL",
    "TERM",
    "TMPDIR",
    "TZ",
    "USER",
    "VISUAL",
    "XDG_CONFIG_HOME",
];

/// A user of a database, and what it takes to be that user.
#[derive(Debug)]
pub struct PsqlSession<'a> {
    /// The database.
    pub database: &'a Database,
    /// The user.
    pub user: &'a str,
    /// The user's password.
    pub password: &'a Secret,
    /// The file of the server's authorities; the node's own without one.
    pub ca: Option<PathBuf>,
    /// The longest that a statement may take.
    pub timeout: Option<Duration>,
}

/// How results are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutputFormat {
    /// As a table for people.
    Table,
    /// As comma-separated values.
    Csv,
}

impl PsqlSession<'_> {
    /// Runs statements, one after the other, to the first that fails. Results go to standard output; what psql says
    /// beside them, such as notices, is returned.
    ///
    /// # Errors
    /// When psql cannot be started, or the server refuses the user or a statement.
    pub async fn query(&self, statements: &[String], format: OutputFormat) -> Result<String, DbError> {
        let csv = (format == OutputFormat::Csv).then_some("--csv");
        let commands = statements.iter().flat_map(|statement| ["-c", statement.as_str()]);
        let arguments = ["-X", "-v", "ON_ERROR_STOP=1"].into_iter().chain(csv).chain(commands);
        // English words can be understood, and results are in UTF-8 whatever the node speaks.
        let cmd = self.cmd().args(arguments).env("LC_ALL", "C").env("PGCLIENTENCODING", "UTF8");
        let ended = self.run(cmd, Streams::Data).await?;
        if ended.code == 0 { Ok(ended.stderr) } else { Err(error::of(self, ended.code, &ended.stderr)) }
    }

    /// Gives the terminal to psql, and returns its status.
    ///
    /// # Errors
    /// When psql cannot be started, or the server refuses the user: that is found out before.
    pub async fn connect(&self) -> Result<i32, DbError> {
        let cmd = self.cmd().args(["-X", "-q", "-c", ""]).env("LC_ALL", "C");
        let tried = self.run(cmd, Streams::None).await?;
        if tried.code != 0 {
            return Err(error::of(self, tried.code, &tried.stderr));
        }
        Ok(self.run(self.cmd(), Streams::All).await?.code)
    }

    /// psql, told by variables who it is to be where; it never asks for a password.
    fn cmd(&self) -> Cmd {
        let Database { host, port, database, sslmode, .. } = self.database;
        let mut cmd = Cmd::new("psql")
            .arg("-w")
            .env("PGHOST", host)
            .env("PGPORT", port.to_string())
            .env("PGDATABASE", database)
            .env("PGUSER", self.user)
            .env("PGSSLMODE", sslmode.as_str())
            .env("PGAPPNAME", "nodeagent")
            .env("PGCONNECT_TIMEOUT", CONNECT_TIMEOUT)
            // A ticket of somebody's Kerberos is not who was asked for.
            .env("PGGSSENCMODE", "disable");
        if let Some(ca) = self.authorities() {
            cmd = cmd.env("PGSSLROOTCERT", ca);
        }
        if let Some(timeout) = self.timeout {
            cmd = cmd.env("PGOPTIONS", format!("-c statement_timeout={}", timeout.as_millis().max(1)));
        }
        cmd
    }

    fn authorities(&self) -> Option<String> {
        let verifies = matches!(self.database.sslmode, SslMode::VerifyCa | SslMode::VerifyFull);
        let of_node = || (verifies && Path::new(AUTHORITIES).exists()).then(|| AUTHORITIES.to_owned());
        self.ca.as_ref().map(|ca| ca.display().to_string()).or_else(of_node)
    }

    async fn run(&self, cmd: Cmd, streams: Streams) -> Result<Finished, DbError> {
        let line = passfile::line(self)?;
        let file = memory_file("pgpass", line.reveal()).map_err(|error| error::no_passfile(&error))?;
        let cmd = cmd.env("PGPASSFILE", format!("/proc/self/fd/{}", file.as_raw_fd()));
        let inherits = |name: &str| INHERITED.contains(&name);
        let child = Foreground { cmd: &cmd, inherits, file: &file, streams };
        child.run().await.map_err(|error| error::not_run(&error))
    }
}
