//! `nodeagent db`: connections to databases, as users that the access file allows.

use std::{path::PathBuf, time::Duration};

use clap::{Args, Subcommand};
use tempfile::TempDir;

use super::{CommandError, Env, Exit, authorize::authorize, error, target::duration};
use crate::{
    auth::{Access, AccessRequest, Database, UnknownDatabase},
    db::{DbError, OutputFormat, PsqlSession},
    diagnostic::Diagnostic,
    fs::{Attributes, replace},
    profile::{Asset, AssetRef, Assets},
    redact::Secret,
    report::text::{clean, lines},
    secrets::fetch,
};

/// Commands of `db`.
#[derive(Debug, Subcommand)]
pub(super) enum Options {
    /// Open psql, the interactive client
    Connect(Connect),
    /// Run statements and print their results
    Query(Query),
}

/// The database and the user.
#[derive(Debug, Args)]
struct Target {
    /// The name of the database in the access file
    #[arg(value_name = "DATABASE")]
    database: String,
    /// The database user
    #[arg(long = "as", value_name = "USER")]
    user: String,
}

/// Options of `db connect`.
#[derive(Debug, Args)]
pub(super) struct Connect {
    #[command(flatten)]
    target: Target,
    /// Cancel each statement that takes longer than this, such as 10m
    #[arg(long, value_name = "TIME", value_parser = duration)]
    timeout: Option<Duration>,
}

/// Options of `db query`.
#[derive(Debug, Args)]
pub(super) struct Query {
    #[command(flatten)]
    target: Target,
    /// Cancel each statement that takes longer than this
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = duration)]
    timeout: Duration,
    /// A statement; can be repeated
    #[arg(short = 'c', long = "command", value_name = "SQL", required = true)]
    commands: Vec<String>,
    /// Print comma-separated values
    #[arg(long)]
    csv: bool,
}

pub(super) fn run(env: &Env, options: &Options) -> Result<Exit, CommandError> {
    match options {
        Options::Connect(options) => {
            let session = Session::open(env, &options.target, "db connect")?;
            let status = env.block_on(session.session(&options.target, options.timeout).connect())?;
            let status = status.map_err(|error| failed(&error))?;
            Ok(if status == 0 { Exit::Done } else { Exit::Failed })
        }
        Options::Query(options) => {
            // Meta-commands of psql can start programs and read files, and so read the password.
            if let Some(command) = options.commands.iter().find(|command| command.trim_start().starts_with('\\')) {
                let word = command.split_whitespace().next().unwrap_or_default();
                let refused = Diagnostic::nowhere(format!("`{word}` is a meta-command of psql, not SQL"));
                return Err(refused.hint("write SQL, or use `nodeagent db connect`").into());
            }
            let session = Session::open(env, &options.target, "db query")?;
            let session = session.session(&options.target, Some(options.timeout));
            let format = if options.csv { OutputFormat::Csv } else { OutputFormat::Table };
            let notices = env.block_on(session.query(&options.commands, format))?.map_err(|error| failed(&error))?;
            env.console.stderr.print(&lines(notices.lines().map(clean)));
            Ok(Exit::Done)
        }
    }
}

/// An authorized connection.
struct Session {
    database: Database,
    password: Secret,
    ca: Option<Authorities>,
}

/// The file with the certificates of a server's authorities. With trusted keys, a copy of the verified bytes.
struct Authorities {
    path: PathBuf,
    #[expect(dead_code, reason = "the copy is removed when this is dropped")]
    copy: Option<TempDir>,
}

impl Session {
    /// Authorizes the connection, then fetches the password. The audit log has both.
    fn open(env: &Env, target: &Target, command: &'static str) -> Result<Self, CommandError> {
        let access = env.access()?;
        known(&access, target)?;
        let request = AccessRequest::connect(&target.database, &target.user);
        let mut authorization = authorize(env, access, vec![request], command)?.require_all()?;
        // A grant to connect permits the use of the password for the connection only.
        let database = authorization.access.databases.get(&target.database).cloned();
        let user = database.and_then(|database| Some((database.users.get(&target.user)?.clone(), database)));
        let (address, database) = user.expect("a grant names a database and a user of it");
        let ca = authorities(env, &database)?;
        let fetched = env.block_on(fetch(&address, env.clouds()))?;
        authorization.fetched(env, 0, &address, fetched.as_ref().err());
        let password = fetched.map_err(|error| {
            let message =
                format!("the password of `{}` for `{}` could not be fetched: {error}", target.user, database.name);
            Diagnostic::nowhere(message).hint(error.hint())
        })?;
        Ok(Self { database, password, ca })
    }

    fn session<'a>(&'a self, target: &'a Target, timeout: Option<Duration>) -> PsqlSession<'a> {
        let Self { database, password, ca } = self;
        let ca = ca.as_ref().map(|ca| ca.path.clone());
        PsqlSession { database, user: &target.user, password, ca, timeout }
    }
}

/// Checks the names, so that a typing error is not reported as a denial.
fn known(access: &Access, target: &Target) -> Result<(), Diagnostic> {
    match access.unknown_database(&target.database, &target.user) {
        Some(UnknownDatabase { message, near: Some(near), .. }) if !access.is_off() => {
            Err(Diagnostic::nowhere(message).hint(format!("did you mean `{near}`?")))
        }
        _ => Ok(()),
    }
}

/// The file with the server's authorities, if the access file names one.
fn authorities(env: &Env, database: &Database) -> Result<Option<Authorities>, CommandError> {
    let Some(path) = &database.ca else { return Ok(None) };
    let wanted = AssetRef { path: path.clone(), beside: None, sha256: None, signed_by: None, urls: Vec::new() };
    let store = env.filestore()?;
    let assets = Assets { store: &store, unit: None, folders: None };
    let found = assets.find(&wanted, &database.origin).and_then(|asset| {
        let checked = store.trusted().is_on().then(|| assets.read(&wanted, &asset, &database.origin)).transpose()?;
        Ok((asset, checked))
    });
    match found {
        Ok((Asset::File { path, .. }, None)) => Ok(Some(Authorities { path, copy: None })),
        Ok((Asset::File { .. }, Some(bytes))) => copied(&bytes).map(Some),
        Ok((found @ (Asset::BuiltIn { .. } | Asset::Address(_) | Asset::Created(_)), _)) => {
            let message = format!("`{}` is not a file with CA certificates", found.label());
            Err(Diagnostic::nowhere(message).into())
        }
        Err(missing) => Err(Diagnostic::nowhere(format!("{} (asked for at {})", missing.message, missing.origin))
            .hint(missing.hint)
            .into()),
    }
}

/// Copies the authorities to a private folder, so that psql reads the verified bytes.
fn copied(bytes: &[u8]) -> Result<Authorities, CommandError> {
    let folder = tempfile::Builder::new().prefix("nodeagent-").tempdir();
    let folder = folder
        .map_err(|error| error::failed(format!("the folder for the authorities could not be created: {error}")))?;
    let path = folder.path().join("authorities.pem");
    replace(&path, bytes, Attributes::mode(0o600)).map_err(|error| error::failed(error.to_string()))?;
    Ok(Authorities { path, copy: Some(folder) })
}

fn failed(error: &DbError) -> CommandError {
    let failed = Diagnostic::nowhere(error.message.clone()).causes(error.output.clone());
    CommandError::Failed(vec![failed.maybe_hint(error.hint.clone())])
}
