//! The command line, one file for each command. It parses arguments, calls the library and returns an exit status.

mod activity;
mod auth;
mod authorize;
mod bake;
mod check;
mod db;
mod env;
mod error;
mod exit;
mod generate;
mod lock;
mod metadata;
mod node_file;
mod notes;
mod output;
mod packages;
mod password;
mod plan;
mod post_start;
mod report;
mod report_copy;
mod run;
mod secrets;
mod shim;
mod sign;
mod store;
mod supervise;
mod target;
mod trust;
mod verify;

use std::{
    borrow::Cow,
    ffi::OsString,
    panic::{AssertUnwindSafe, catch_unwind},
    path::PathBuf,
    process::ExitCode,
};

use activity::Activity;
use clap::{Args, CommandFactory as _, Parser, Subcommand};
use env::{Env, EnvOptions};
use error::CommandError;
pub use exit::Exit;
use output::{print, print_json};
use supervise::Supervised;

use crate::{
    fs::set_umask,
    redact,
    report::{Console, Palette, Stderr, Verbosity, install_panic_hook},
    trust::PublicKey,
};

const AFTER_HELP: &str = "\
Exit status:
  0  done (also when an optional step failed: the report says degraded)
  1  a required step failed
  2  refused before anything was changed
  3  degraded, under --strict
  4  the deadline passed

Start with:  nodeagent check starter             anywhere
             nodeagent plan --profile starter    on a node";

/// Prepares the nodes of a data cluster from a business unit's profile
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
    /// The shared file store [default: `filestore` in /etc/nodeagent.toml, else the variable `NODEAGENT_FILESTORE`,
    /// else /dbfs/FileStore]
    #[arg(long, global = true, value_name = "DIR|ADDRESS")]
    filestore: Option<PathBuf>,
    /// Accept only files that this key signed; repeatable
    #[arg(long = "trusted-key", global = true, value_name = "KEY|FILE", value_parser = trust::key)]
    trusted_keys: Vec<PublicKey>,
    /// The store for downloads and builds that nodes share [default: `store` in /etc/nodeagent.toml, else the variable
    /// `NODEAGENT_STORE`, else none]
    #[arg(long, global = true, value_name = "DIR|ADDRESS")]
    store: Option<String>,
    /// Print only warnings and failures
    #[arg(short, long, global = true)]
    quiet: bool,
    /// Print the parts of steps, too; with -vv also each program and request
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    verbose: u8,
    /// The root of the node's file system, for tests and images
    #[arg(long, global = true, value_name = "DIR", default_value = "/", hide = true)]
    root: PathBuf,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Bring the node to the state that a profile describes
    Run(run::Options),
    /// Show the steps of a run
    Plan(plan::Options),
    /// Check profiles, for this node or another
    Check(check::Options),
    /// Resolve a profile to exact files for this runtime, and write them to a lock
    Lock(lock::Options),
    /// Print the JSON Schema of profiles, access files or locks, for editors
    Schema(generate::Schema),
    /// Show the node's identity and its access rights
    #[command(subcommand)]
    Auth(auth::Options),
    /// List, read and test secrets
    #[command(subcommand)]
    Secrets(secrets::Options),
    /// Connect to a database as a user that a grant allows
    #[command(subcommand)]
    Db(db::Options),
    /// Manage the store of downloads and builds
    #[command(subcommand)]
    Store(store::Options),
    /// Show the reports of earlier runs
    #[command(subcommand)]
    Report(report::Options),
    /// Sign files, or generate a key
    Sign(sign::Options),
    /// Verify files against their signatures
    Verify(verify::Options),
    /// Write the init script of a cluster, which verifies nodeagent and runs it
    Shim(shim::Options),
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
    redact::learn_environment(&env::variables());
    let exit = match Cli::try_parse_from(arguments) {
        // The panic hook has reported the panic.
        Ok(cli) => catch_unwind(AssertUnwindSafe(|| cli.run())).unwrap_or(Exit::Failed),
        Err(error) => {
            // clap prints help and version to standard output, errors to standard error.
            let exit = if error.use_stderr() { Exit::Refused } else { Exit::Done };
            print_parse_error(&error);
            exit
        }
    };
    redact::forget();
    exit.into()
}

/// Prints an error of clap. If it repeats a secret from the arguments, the text is redacted and loses its colours.
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
        let console = Console::of_process(Verbosity::chosen(self.common.quiet, self.common.verbose));
        let activity = Activity::default();
        match &self.command {
            // A dry run changes nothing, so it can be interrupted, and the other stage waits longer than its deadline.
            Command::Run(options) if !options.dry_run && !options.is_after_launch() => {
                let (options, root) = (options.clone(), self.common.root.clone());
                let supervised = Supervised { console: console.clone(), root, options, activity: activity.clone() };
                supervised.run(move || self.carry_out(console, activity))
            }
            _ => self.carry_out(console, activity),
        }
    }

    fn carry_out(self, console: Console, activity: Activity) -> Exit {
        let Common { filestore, trusted_keys, store, root, .. } = self.common;
        let env = Env::new(console, EnvOptions { root, filestore, trusted_keys, shared_store: store, activity });
        // These run a program of the user, which keeps the user's umask.
        if !matches!(self.command, Command::Secrets(_) | Command::Db(_)) {
            set_umask();
        }
        let result = match self.command {
            Command::Run(options) if options.is_after_launch() => post_start::run(&env, &options),
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
            Command::Shim(options) => shim::run(&env, &options, Self::command()),
            Command::Completions(shell) => generate::completions(&shell, Self::command()),
            Command::Man(options) => generate::man(&options, Self::command()),
        };
        let exit = result.unwrap_or_else(|error| {
            env.console.stderr.print(&error.render(&env.console));
            error.exit()
        });
        env.close();
        exit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definition_of_the_command_line_is_valid() {
        Cli::command().debug_assert();
    }
}
