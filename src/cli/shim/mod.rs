//! `nodeagent shim`: writes the init script of a cluster, which verifies the binary and runs it.

mod binary;
mod cluster;
mod script;

use std::{
    collections::BTreeMap,
    error::Error as _,
    fmt::Write as _,
    path::{Path, PathBuf, absolute},
};

use binary::{Binary, BinaryError, RUNNING};
use clap::Args;
use script::Script;

use super::{CommandError, Env, Exit, error::failed, print};
use crate::{
    diagnostic::Diagnostic,
    digest::Digest,
    filestore::FileStoreAddress,
    fs::{Attributes, replace},
    report::Verbosity,
};

/// The folder of the file store for binaries, profiles and scripts of the platform.
const BINARIES: &str = "Admin/init_scripts";
/// The folder of the node that receives the binary.
const DESTINATION: &str = "usr/local/sbin";

/// Options of `shim`.
#[derive(Debug, Args)]
pub(super) struct Options {
    /// The profile that the cluster's nodes run
    #[arg(short, long, value_name = "NAME|PATH")]
    profile: String,
    /// Write the script to this file instead of standard output
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Also accept this binary of nodeagent, for example for another processor; repeatable
    #[arg(long = "binary", value_name = "PATH")]
    binaries: Vec<PathBuf>,
    /// The folder that receives a copy of each report [default: Admin/reports in the file store]
    #[arg(long, value_name = "DIR")]
    reports: Option<PathBuf>,
    /// The access mode of the cluster, if the platform's files on the nodes do not contain it
    #[arg(long, value_name = "MODE", value_parser = ["dedicated", "standard", "no-isolation"])]
    access_mode: Option<String>,
    /// Options of `nodeagent run`, after `--`
    #[arg(last = true, value_name = "OPTION OF run")]
    run: Vec<String>,
}

pub(super) fn run(env: &Env, options: &Options, parser: clap::Command) -> Result<Exit, CommandError> {
    let filestore = filestore(env)?;
    let arguments = arguments(env, options, &filestore)?;
    check(parser, &arguments)?;
    for option in ["--dry-run", "--stage"] {
        if options.run.iter().any(|word| word.split('=').next() == Some(option)) {
            let mistake = Diagnostic::nowhere(format!("`{option}` cannot be used in an init script"));
            return Err(mistake.hint("remove it: the script must prepare the node").into());
        }
    }
    let digests = digests(&options.binaries)?;
    let destination = text(&env.root.join(DESTINATION))?;
    let script = Script {
        folder: format!("{filestore}/{BINARIES}"),
        destination,
        digests,
        access_mode: options.access_mode.clone(),
        arguments,
    };
    let script_text = script.render().map_err(|why| {
        let mistake = Diagnostic::nowhere(format!("a value cannot be written into the script: {why}"));
        CommandError::from(mistake.hint("use paths and options without control characters"))
    })?;
    let path = options.out.as_deref().map(absolute).transpose();
    let path = path.map_err(|error| failed(format!("the working directory is unknown: {error}")))?;
    if let Some(path) = &path {
        replace(path, script_text.as_bytes(), Attributes::mode(0o644)).map_err(|error| {
            let causes = error.source().map(ToString::to_string).into_iter().collect();
            let mistake = Diagnostic::nowhere(error.to_string()).causes(causes).maybe_hint(error.hint());
            CommandError::Failed(vec![mistake])
        })?;
    } else {
        print(&script_text)?;
    }
    if env.console.verbosity != Verbosity::Quiet {
        env.console.stderr.print(&next_steps(path.as_deref(), &script));
    }
    Ok(Exit::Done)
}

/// The text that tells the user where the script belongs.
fn next_steps(path: Option<&Path>, script: &Script) -> String {
    let mut steps = path.map(|path| format!("wrote `{}`\n", path.display())).unwrap_or_default();
    steps.push_str("The script accepts only these binaries. Copy them to the file store:\n");
    for (processor, sha256) in &script.digests {
        let (folder, sha256) = (&script.folder, sha256.hex());
        let _ = writeln!(steps, "    {folder}/nodeagent-{processor} or {folder}/nodeagent: sha256 {sha256}");
    }
    let in_store = || Some(Path::new(&script.folder).join(path?.file_name()?));
    if let Some(entry) = path.and_then(cluster::entry) {
        steps.push_str("Add the script to the cluster's configuration:\n");
        steps.push_str(&cluster::line(&entry));
    } else if let Some(path) = in_store()
        && let Some(entry) = cluster::entry(&path)
    {
        let _ = writeln!(steps, "Copy the script to `{}`, and add it to the cluster's configuration:", path.display());
        steps.push_str(&cluster::line(&entry));
    } else {
        steps.push_str("Copy the script to the file store and add it to the cluster's configuration. ");
        steps.push_str("Replace the words in capitals:\n");
        steps.push_str(&cluster::line(&cluster::volume(Path::new(cluster::PLACEHOLDER))));
    }
    steps
}

/// The folder at which nodes mount the file store.
fn filestore(env: &Env) -> Result<String, CommandError> {
    let Some(named) = env.named_filestore() else {
        let mistake = Diagnostic::nowhere("no file store is given");
        return Err(mistake.hint("use `--filestore /Volumes/CATALOG/SCHEMA/VOLUME`").into());
    };
    mounted("--filestore", named)
}

/// A folder as nodes see it. Bash cannot read an address, and a relative path has no meaning in an init script.
fn mounted(option: &str, path: &Path) -> Result<String, CommandError> {
    let named = text(path)?;
    let refused = |hint: String| {
        let why = format!("`{named}` (`{option}`) is not a folder that the script can read");
        CommandError::from(Diagnostic::nowhere(why).hint(hint))
    };
    let address = FileStoreAddress::parse(&named)
        .map_err(|error| CommandError::from(Diagnostic::nowhere(error.to_string()).hint(error.hint)))?;
    if let Some(FileStoreAddress::Volume(folder) | FileStoreAddress::Workspace(folder)) = &address
        && named.starts_with('/')
    {
        return Ok(folder.clone());
    }
    match address {
        Some(address) => Err(refused(match address.mounted() {
            Some(folder) => format!("use its path on the nodes: `{}`", folder.display()),
            None => "use a folder that the nodes mount, such as `/Volumes/CATALOG/SCHEMA/VOLUME`".to_owned(),
        })),
        None if path.is_absolute() => Ok(match named.trim_end_matches('/') {
            "" => named,
            folder => folder.to_owned(),
        }),
        None => Err(refused("use an absolute path on the nodes, such as `/Volumes/CATALOG/SCHEMA/VOLUME`".to_owned())),
    }
}

/// The arguments of nodeagent on the node.
fn arguments(env: &Env, options: &Options, filestore: &str) -> Result<Vec<String>, CommandError> {
    let profile = &options.profile;
    let is_path = profile.contains('/') || Path::new(profile).extension().is_some_and(|ending| ending == "toml");
    if is_path && !Path::new(profile).is_absolute() {
        let mistake = Diagnostic::nowhere(format!("`{profile}` (`--profile`) is a relative path"));
        return Err(mistake
            .hint("use the name of a profile in the file store, or an absolute path on the nodes")
            .into());
    }
    let reports = match &options.reports {
        Some(folder) => mounted("--reports", folder)?,
        None => format!("{filestore}/Admin/reports"),
    };
    let mut arguments =
        ["run", "--profile", profile, "--filestore", filestore, "--report-to", &reports].map(str::to_owned).to_vec();
    let mut add = |option: &str, value: String| arguments.extend([option.to_owned(), value]);
    if env.root != Path::new("/") {
        add("--root", text(&env.root)?);
    }
    if let Some(store) = env.shared_store() {
        add("--store", store.to_owned());
    }
    for key in env.named_keys() {
        add("--trusted-key", key.to_string());
    }
    arguments.extend(options.run.iter().cloned());
    Ok(arguments)
}

/// Checks the arguments before a cluster needs them.
fn check(parser: clap::Command, arguments: &[String]) -> Result<(), CommandError> {
    let words = std::iter::once("nodeagent").chain(arguments.iter().map(String::as_str));
    let Err(error) = parser.try_get_matches_from(words) else { return Ok(()) };
    let reason = error.render().to_string();
    let reason = reason.lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned();
    let mistake = Diagnostic::nowhere("`nodeagent run` does not accept these options").causes(vec![reason]);
    Err(mistake.hint("write only options of `nodeagent run` after `--`; see `nodeagent run --help`").into())
}

/// The digests of the running program and of further binaries. A binary for the same processor replaces the running
/// program.
fn digests(paths: &[PathBuf]) -> Result<BTreeMap<&'static str, Digest>, CommandError> {
    let mut digests = BTreeMap::new();
    for path in paths {
        let Binary { processor, sha256 } = Binary::read(path).map_err(|error| unusable(path, &error))?;
        if digests.insert(processor, sha256.clone()).is_some_and(|earlier| earlier != sha256) {
            let mistake = Diagnostic::nowhere(format!("two binaries for the processor `{processor}` differ"));
            return Err(mistake.hint("use `--binary` once for each processor").into());
        }
    }
    let running = Path::new(RUNNING);
    let Binary { processor, sha256 } = Binary::read(running).map_err(|error| unusable(running, &error))?;
    digests.entry(processor).or_insert(sha256);
    Ok(digests)
}

fn unusable(path: &Path, error: &BinaryError) -> CommandError {
    let causes = error.source().map(ToString::to_string).into_iter().collect();
    let mistake = Diagnostic::nowhere(format!("`{}` (`--binary`) {error}", path.display())).causes(causes);
    mistake.hint("use the path of a binary of nodeagent for x86_64 or aarch64").into()
}

/// A path as a text.
fn text(path: &Path) -> Result<String, CommandError> {
    path.to_str().map(str::to_owned).ok_or_else(|| {
        let mistake = Diagnostic::nowhere(format!("`{}` is not UTF-8", path.display()));
        mistake.hint("use another path").into()
    })
}
