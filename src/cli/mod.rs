//! The command line: one file a subcommand. Parses, calls the library, maps the end to an exit status.

mod auth;
mod authorize;
mod bake;
mod check;
mod db;
mod generate;
mod lock;
mod node_file;
mod packages;
mod password;
mod plan;
mod report;
mod run;
mod secrets;
mod sign;
mod store;
mod target;
mod trust;
mod verify;

use std::{
    borrow::Cow,
    cell::OnceCell,
    ffi::OsString,
    panic::{AssertUnwindSafe, catch_unwind},
    path::PathBuf,
    process::ExitCode,
    sync::Arc,
};

use clap::{Args, CommandFactory as _, Parser, Subcommand};
use nix::unistd::Uid;
use tokio::runtime::Runtime;

use crate::{
    auth::{Access, AuditLog},
    cloud::{ClientEnvironment, Clouds},
    diagnostic::Diagnostic,
    filestore::{FileStoreAddress, Mirror},
    profile::FileStore,
    redact,
    report::{
        Console, Palette, RunFolders, Stderr, Verbosity,
        diagnostics::{render as render_diagnostics, render_reasons},
        install_panic_hook,
    },
    store::{StoreLocations, StoreUrl},
    trust::{PublicKey, Trusted},
};
use node_file::{AccessFile, NodeFile};

/// The documented exit statuses. Never renumbered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// All is as asked for, perhaps but for optional steps.
    Done = 0,
    /// A required step failed, or a run was interrupted.
    Failed = 1,
    /// Refused before anything was changed: arguments, profile, grants, a missing secret or asset.
    Refused = 2,
    /// An optional step failed, under `--strict`.
    Degraded = 3,
    /// The deadline passed.
    DeadlinePassed = 4,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

const AFTER_HELP: &str = "\
Exit status:
  0  done (also when an optional step failed: the report says degraded)
  1  a required step failed
  2  refused before anything was changed
  3  degraded, under --strict
  4  the deadline passed

Start with:  nodeagent check starter             anywhere
             nodeagent plan --profile starter    on a node";

/// Prepares the nodes of a data cluster from a business unit's profile.
#[derive(Debug, Parser)]
#[command(name = "nodeagent", version, after_help = AFTER_HELP, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    common: Common,
}

/// Options of all commands.
#[derive(Debug, Args)]
struct Common {
    /// The shared file store [default: the one in /etc/nodeagent.toml, else in the variable `NODEAGENT_FILESTORE`, else
    /// /dbfs/FileStore]
    #[arg(long, global = true, value_name = "DIR|ADDRESS")]
    filestore: Option<PathBuf>,
    /// Use only what this key signed; may be given more than once
    #[arg(long = "trusted-key", global = true, value_name = "KEY|FILE", value_parser = trust::key)]
    trusted_keys: Vec<PublicKey>,
    /// Where nodes share what they fetched and built [default: the one in /etc/nodeagent.toml, else in the variable
    /// `NODEAGENT_STORE`, else nowhere]
    #[arg(long, global = true, value_name = "DIR|ADDRESS")]
    store: Option<String>,
    /// Say only warnings and failures
    #[arg(short, long, global = true)]
    quiet: bool,
    /// Say more: the parts of steps too; given twice, programs and requests, too
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    verbose: u8,
    /// The root of the node's file system, for tests and images
    #[arg(long, global = true, value_name = "DIR", default_value = "/", hide = true)]
    root: PathBuf,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Bring the node to the state a profile names
    Run(run::Options),
    /// Show what a run would do
    Plan(plan::Options),
    /// Check profiles, for this node or another
    Check(check::Options),
    /// Write down the exact files that a profile stands for on this runtime
    Lock(lock::Options),
    /// Print the JSON Schema of profiles, access files or locks, for editors
    Schema(generate::Schema),
    /// Who the node is, and what it may use
    #[command(subcommand)]
    Auth(auth::Options),
    /// Work with secrets by hand
    #[command(subcommand)]
    Secrets(secrets::Options),
    /// Connect to a database as one of its users
    #[command(subcommand)]
    Db(db::Options),
    /// Look after the store of what was fetched and built
    #[command(subcommand)]
    Store(store::Options),
    /// Look at what earlier runs did
    #[command(subcommand)]
    Report(report::Options),
    /// Sign files, or make a key to sign with
    Sign(sign::Options),
    /// Check files against the signatures beside them
    Verify(verify::Options),
    /// Print a completion script
    Completions(generate::Shell),
    /// Print the manual page, or write all manual pages to a folder
    Man(generate::Man),
}

/// The definition of the command line, for programs that check command lines against it.
pub fn command() -> clap::Command {
    Cli::command()
}

/// Runs the program with these arguments.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    redact::keep_memory_private();
    redact::learn_environment(&target::variables());
    let exit = match Cli::try_parse_from(arguments) {
        // A panic has been told by then.
        Ok(cli) => catch_unwind(AssertUnwindSafe(|| cli.run())).unwrap_or(Exit::Failed),
        Err(error) => {
            // Help and version are data; mistakes are talk. clap knows which and prints accordingly.
            let exit = if error.use_stderr() { Exit::Refused } else { Exit::Done };
            print_parse_error(&error);
            exit
        }
    };
    redact::forget();
    exit.into()
}

/// What clap has to say. What it repeats of the arguments may be a secret; only then are its colours lost.
fn print_parse_error(error: &clap::Error) {
    let text = error.render().to_string();
    if matches!(redact::text(&text), Cow::Borrowed(_)) {
        let _ = error.print();
    } else if error.use_stderr() {
        Stderr::new(Palette::PLAIN).print(&text);
    } else {
        let _ = crate::report::stdout(&text);
    }
}

impl Cli {
    fn run(self) -> Exit {
        install_panic_hook(Stderr::new(Palette::PLAIN));
        let env = Env {
            console: Console::of_process(Verbosity::chosen(self.common.quiet, self.common.verbose)),
            root: self.common.root,
            filestore: self.common.filestore,
            trusted_keys: self.common.trusted_keys,
            node_file: OnceCell::new(),
            trusted: OnceCell::new(),
            shared_store: self.common.store,
            runtime: OnceCell::new(),
            clouds: OnceCell::new(),
            opened_filestore: OnceCell::new(),
        };
        let result = match self.command {
            Command::Run(options) => run::run(&env, &options),
            Command::Plan(options) => plan::run(&env, &options),
            Command::Check(options) => check::run(&env, &options),
            Command::Lock(options) => lock::run(&env, &options),
            Command::Schema(of) => generate::schema(&of),
            Command::Auth(options) => auth::run(&env, &options),
            Command::Secrets(options) => secrets::run(&env, &options),
            Command::Db(options) => db::run(&env, &options),
            Command::Store(options) => store::run(&env, &options),
            Command::Report(options) => report::run(&env, &options),
            Command::Sign(options) => sign::run(&env, &options),
            Command::Verify(options) => verify::run(&env, &options),
            Command::Completions(shell) => generate::completions(&shell),
            Command::Man(options) => generate::man(&options),
        };
        let exit = result.unwrap_or_else(|refused| {
            env.console.stderr.print(&refused.render(&env.console));
            refused.exit()
        });
        for warning in env.clouds.get().map(|clouds| clouds.take_warnings()).unwrap_or_default() {
            env.console.stderr.print(&format!("warning: {warning}\n"));
        }
        if let Some(runtime) = env.runtime.into_inner() {
            // A name look-up or a download may still be in a thread of its own: nobody waits for it.
            runtime.shutdown_background();
        }
        exit
    }
}

/// What every command has at hand.
struct Env {
    console: Console,
    root: PathBuf,
    filestore: Option<PathBuf>,
    trusted_keys: Vec<PublicKey>,
    node_file: OnceCell<NodeFile>,
    trusted: OnceCell<Arc<Trusted>>,
    shared_store: Option<String>,
    runtime: OnceCell<Runtime>,
    clouds: OnceCell<Arc<Clouds>>,
    opened_filestore: OnceCell<FileStore>,
}

impl Env {
    /// Works on what waits for others, in this thread. The runtime is made at its first use.
    fn block_on<T>(&self, work: impl Future<Output = T>) -> Result<T, CommandError> {
        if self.runtime.get().is_none() {
            let built = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
            let built = built.map_err(|error| target::failed(format!("the work could not be started: {error}")))?;
            let _ = self.runtime.set(built);
        }
        Ok(self.runtime.get().expect("it was set").block_on(work))
    }

    /// The clouds, as the process's environment names them. Nobody is asked yet.
    fn clouds(&self) -> &Arc<Clouds> {
        self.clouds.get_or_init(|| {
            let environment = ClientEnvironment { variables: target::variables(), home: std::env::home_dir() };
            Arc::new(Clouds::new(Arc::default(), environment))
        })
    }

    /// The node's own settings, read once.
    fn node_file(&self) -> Result<&NodeFile, CommandError> {
        if self.node_file.get().is_none() {
            let _ = self.node_file.set(node_file::read(&self.root)?);
        }
        Ok(self.node_file.get().expect("it was set"))
    }

    /// Whose word counts: from the options and the node's file.
    fn trusted(&self) -> Result<&Arc<Trusted>, CommandError> {
        if self.trusted.get().is_none() {
            let trusted = trust::trusted(&self.trusted_keys, self.node_file()?, &self.root)?;
            let _ = self.trusted.set(Arc::new(trusted));
        }
        Ok(self.trusted.get().expect("it was set"))
    }

    /// The file store: from the option, else the node's file, else the variable, else the platform's place. What root
    /// wrote on the node counts for more than what whoever configures a cluster may set.
    fn filestore(&self) -> Result<FileStore, CommandError> {
        if let Some(store) = self.opened_filestore.get() {
            return Ok(store.clone());
        }
        let named = match &self.filestore {
            Some(root) => Some(root.clone()),
            None => self.node_file()?.filestore.clone().or_else(filestore_variable),
        };
        let is_named = named.is_some();
        let root = named.unwrap_or_else(|| "/dbfs/FileStore".into());
        let address = FileStoreAddress::parse(&root.to_string_lossy())
            .map_err(|error| Diagnostic::nowhere(error.to_string()).hint(error.hint))?;
        let store = match address.map(|address| (address.mounted().filter(|folder| folder.is_dir()), address)) {
            // With it the access file would be missing: that is no leave to do without.
            None if is_named && !root.is_dir() => {
                let missing = Diagnostic::nowhere(format!("the file store `{}` is not there", root.display()));
                return Err(missing.hint("check the path, and that it is mounted on this node").into());
            }
            None => FileStore::local(root),
            Some((Some(folder), _)) => FileStore::local(folder),
            Some((None, address)) => self.remote_store(address)?,
        };
        let store = store.trusting(Arc::clone(self.trusted()?));
        Ok(self.opened_filestore.get_or_init(|| store).clone())
    }

    /// Where artefacts are kept: the node's own place, and the shared one of the option, else of the node's file, else of
    /// the variable.
    fn store_locations(&self) -> Result<StoreLocations, CommandError> {
        let node = self.node_file()?;
        let usual = StoreLocations::below(&crate::run::cache(&self.root));
        let variable = || std::env::var("NODEAGENT_STORE").ok();
        let shared = self.shared_store.clone().or_else(|| node.store.clone()).or_else(variable);
        let shared = shared.filter(|text| !text.is_empty()).map(|text| text.parse::<StoreUrl>()).transpose();
        let shared = shared.map_err(|error| Diagnostic::nowhere(error.to_string()).hint(error.hint()))?;
        Ok(StoreLocations { shared, limit: node.store_limit.as_ref().map_or(usual.limit, |limit| limit.0), ..usual })
    }

    /// A file store that is reached over the network. What it refuses, it refuses before anything is looked at.
    fn remote_store(&self, address: FileStoreAddress) -> Result<FileStore, CommandError> {
        let runtime = self.block_on(async { tokio::runtime::Handle::current() })?;
        let opened = Mirror::open(address, Arc::clone(self.clouds()), runtime, &crate::run::cache(&self.root));
        opened
            .and_then(FileStore::remote)
            .map_err(|error| Diagnostic::nowhere(error.to_string()).maybe_hint(error.hint()).into())
    }
}

impl Env {
    /// Who may use what: from the file store's access file, when there is one.
    fn access(&self) -> Result<Access, CommandError> {
        match self.filestore()?.access()? {
            Some((label, bytes)) => self.recent(&label, &bytes),
            None => self.no_access_file(),
        }
    }

    /// An access file that counts, unless this node has seen a later one.
    fn recent(&self, label: &str, bytes: &[u8]) -> Result<Access, CommandError> {
        let access = Access::parse(label, bytes).map_err(CommandError::Mistakes)?;
        self.trusted()?
            .check_serial("access", access.serial)
            .map_err(|why| Diagnostic::nowhere(format!("`{label}` does not count: {why}")).hint(why.hint(label)))?;
        Ok(access)
    }

    /// What holds without an access file: all that the sources allow, unless there should be one.
    fn no_access_file(&self) -> Result<Access, CommandError> {
        let store = self.filestore()?;
        let label = store.access_label();
        if let Err(why) = self.trusted()?.check_absence("access") {
            return Err(Diagnostic::nowhere(format!("`{label}` does not count: {why}")).hint(why.hint(&label)).into());
        }
        if self.node_file()?.access == AccessFile::Required {
            let missing = Diagnostic::nowhere(format!("there is no access file `{label}`, and this node wants one"));
            let hint = "restore it, or check that the file store is the right one and may be read: \
                        `access = \"required\"` in /etc/nodeagent.toml asks for it";
            return Err(missing.hint(hint).into());
        }
        Ok(Access::default())
    }

    /// The audit log of a command outside any run; `None` where it may not write there. That root may not is told.
    fn audit(&self, command: &'static str) -> Option<AuditLog> {
        let opened = AuditLog::open(&RunFolders::of_node(&self.root).audit(), None, command);
        if let Err(error) = &opened
            && Uid::effective().is_root()
        {
            self.console.stderr.print(&format!("warning: nothing is written to the audit log: {error}\n"));
        }
        opened.ok()
    }

    /// The same for a command that changes nothing: it does not even make the folder.
    fn audit_if_kept(&self, command: &'static str) -> Option<AuditLog> {
        RunFolders::of_node(&self.root).exist().then(|| self.audit(command))?
    }
}

/// The file store that the environment names.
fn filestore_variable() -> Option<PathBuf> {
    std::env::var_os("NODEAGENT_FILESTORE").filter(|root| !root.is_empty()).map(PathBuf::from)
}

/// Why a command ended early.
#[derive(Debug)]
enum CommandError {
    /// Mistakes in arguments or profiles; nothing was changed.
    Mistakes(Vec<Diagnostic>),
    /// Reasons why something may or can not be done; nothing was changed.
    Refused(Vec<Diagnostic>),
    /// The answer could not be written, or the system failed us.
    Failed(Vec<Diagnostic>),
}

impl CommandError {
    fn render(&self, console: &Console) -> String {
        match self {
            Self::Mistakes(mistakes) | Self::Failed(mistakes) => render_diagnostics(mistakes, console.colour()),
            Self::Refused(reasons) => render_reasons(reasons, console.colour()),
        }
    }

    fn exit(&self) -> Exit {
        match self {
            Self::Mistakes(_) | Self::Refused(_) => Exit::Refused,
            Self::Failed(_) => Exit::Failed,
        }
    }
}

impl From<Diagnostic> for CommandError {
    fn from(mistake: Diagnostic) -> Self {
        Self::Mistakes(vec![mistake])
    }
}

/// Prints data.
fn print(text: &str) -> Result<Exit, CommandError> {
    match crate::report::stdout(text) {
        Ok(()) => Ok(Exit::Done),
        Err(error) => {
            Err(CommandError::Failed(vec![Diagnostic::nowhere(format!("the answer could not be written: {error}"))]))
        }
    }
}

/// Prints a value as JSON.
fn print_json(value: &impl serde::Serialize) -> Result<Exit, CommandError> {
    match serde_json::to_string_pretty(value) {
        Ok(text) => print(&(text + "\n")),
        Err(error) => {
            Err(CommandError::Failed(vec![Diagnostic::nowhere(format!("the answer could not be written: {error}"))]))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        use clap::CommandFactory as _;
        Cli::command().debug_assert();
    }
}
