//! Runs psql.

use std::{os::fd::AsRawFd as _, path::Path};

use super::{
    error::{self, DbError},
    passfile,
    session::{OutputFormat, PsqlSession},
};
use crate::{
    auth::{Database, SslMode},
    exec::{Cmd, Finished, Foreground, Streams},
    fs::memory_file,
};

/// The time limit for connecting, in seconds.
const CONNECT_TIMEOUT: &str = "10";
/// The authorities that the node trusts, on Debian and Ubuntu.
const SYSTEM_AUTHORITIES: &str = "/etc/ssl/certs/ca-certificates.crt";
/// The variables that psql inherits. Others may contain secrets, or change the server.
const INHERITED_VARIABLES: [&str; 17] = [
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

impl PsqlSession<'_> {
    /// Runs statements until one fails. Results go to standard output. Returns other output of psql, such as notices.
    ///
    /// # Errors
    /// If psql cannot be started, or the server refuses the user or a statement.
    pub async fn query(&self, statements: &[String], format: OutputFormat) -> Result<String, DbError> {
        let csv = (format == OutputFormat::Csv).then_some("--csv");
        let commands = statements.iter().flat_map(|statement| ["-c", statement.as_str()]);
        // Statements of a script must not wait for a key in a pager.
        let arguments = ["-X", "-v", "ON_ERROR_STOP=1", "-P", "pager=off"].into_iter().chain(csv).chain(commands);
        // The error table requires English messages. Results are UTF-8 in every locale.
        let cmd = self.cmd().args(arguments).env("LC_ALL", "C").env("PGCLIENTENCODING", "UTF8");
        let ended = self.run(cmd, Streams::Data).await?;
        if ended.code == 0 { Ok(ended.stderr) } else { Err(error::from_psql(self, ended.code, &ended.stderr)) }
    }

    /// Gives the terminal to psql. Returns its exit status.
    ///
    /// # Errors
    /// If psql cannot be started, or the server refuses the user in a test connection before.
    pub async fn connect(&self) -> Result<i32, DbError> {
        let cmd = self.cmd().args(["-X", "-q", "-c", ""]).env("LC_ALL", "C");
        let tried = self.run(cmd, Streams::None).await?;
        if tried.code != 0 {
            return Err(error::from_psql(self, tried.code, &tried.stderr));
        }
        Ok(self.run(self.cmd(), Streams::All).await?.code)
    }

    /// The psql command. Variables select the server and the user. psql does not prompt for a password.
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
            // A Kerberos ticket would have another identity.
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
        let of_system = || (verifies && Path::new(SYSTEM_AUTHORITIES).exists()).then(|| SYSTEM_AUTHORITIES.to_owned());
        self.ca.as_ref().map(|ca| ca.display().to_string()).or_else(of_system)
    }

    async fn run(&self, cmd: Cmd, streams: Streams) -> Result<Finished, DbError> {
        let line = passfile::line(self)?;
        let file = memory_file("pgpass", line.reveal()).map_err(|error| error::no_passfile(&error))?;
        let cmd = cmd.env("PGPASSFILE", format!("/proc/self/fd/{}", file.as_raw_fd()));
        let inherits = |name: &str| INHERITED_VARIABLES.contains(&name);
        let child = Foreground { cmd: &cmd, inherits, file: &file, streams };
        child.run().await.map_err(|error| error::not_run(&error))
    }
}
