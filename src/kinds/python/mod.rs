//! Installs Python distributions: uv or pip resolves all requirements and wheels at once, and keeps the versions that
//! the runtime ships.
//!
//! The resolution runs while the step prepares, so that a request that would change a shipped distribution refuses
//! the run before anything is changed.

mod act;
mod action;
mod bytecode;
mod checked;
mod grammar;
mod guard;
mod hints;
mod index;
mod index_auth;
mod installer;
mod interpreter;
mod layer;
mod lock;
mod locked;
mod plan;
mod repair;
mod requested;
mod rules;
mod satisfied;
mod uv;
mod wheel_builds;
mod written;

pub use action::{PythonInstall, PythonInstaller, PythonRequirement, Wheel};
pub use checked::{Pip, Python};
use satisfied::unsatisfied;
use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::Arc,
    time::SystemTime,
};

use bytecode::ByteCode;
use index::PipConfig;
use installer::{Installer, Request};
use interpreter::Interpreter;
use jiff::Timestamp;
pub use lock::lock;
pub use repair::{COMPILED, clean_up_interrupted};

use crate::{
    exec::{Cmd, ExecError},
    facts::PythonEnv,
    fs::{self, Attributes},
    plan::Environment,
    problem::Problem,
    profile::requirements::Requirements,
    state::Receipt,
    steps::{
        Context,
        layer::{self as layers, LayerError, Staged},
    },
};

/// The result of preparing an environment.
#[derive(Debug)]
pub enum Prepared {
    /// A downloaded layer that is being unpacked in its staging folder.
    Layer(Staged),
    /// Distributions to install.
    Installation(Installation),
}

impl Prepared {
    /// The folder of a layer that is being unpacked.
    pub(super) fn staging(&self) -> Option<PathBuf> {
        match self {
            Self::Layer(staged) => Some(staged.folder().to_owned()),
            Self::Installation(_) => None,
        }
    }
}

/// A resolution that succeeded.
#[derive(Debug)]
pub struct Installation {
    tool: Installer,
    constraints: Option<PathBuf>,
    /// The conflicts that existed before the installation.
    conflicts: BTreeSet<String>,
}

/// Uses a layer if one exists. Otherwise finds an installer and tries the resolution. Does not change the
/// environment.
pub async fn prepare(ctx: &Context, wanted: &PythonInstall) -> Result<Prepared, Problem> {
    if let Some(layer) = &wanted.layer
        && let Some(staged) = layers::stage(ctx, layer).await
    {
        return Ok(Prepared::Layer(staged));
    }
    Box::pin(prepare_installation(ctx, wanted)).await.map(Prepared::Installation)
}

async fn prepare_installation(ctx: &Context, wanted: &PythonInstall) -> Result<Installation, Problem> {
    let tool = uv::find(ctx, wanted).await?;
    let _no_trace = no_trace(wanted);
    if let Some(files) = &wanted.locked {
        wheel_builds::check_source_builds_allowed(ctx, files)?;
        locked::fetch(ctx, wanted, files).await?;
        let conflicts = conflicts(ctx, &tool, wanted).await?;
        return Ok(Installation { tool, constraints: None, conflicts });
    }
    let constraints = write_constraints(ctx, wanted)?;
    ctx.progress.now("resolving", None);
    let started = Timestamp::now();
    // Installers fail on a distribution without metadata, so the request is then resolved for an empty folder.
    let empty = cache(ctx).join("empty");
    let apart = repair::has_unreadable(&wanted.interpreter).then_some(empty.as_path());
    let request = Request { apart, ..Request::all(wanted, constraints.as_deref()) };
    let cmd = index_auth::with_logins(ctx, tool.install(&request.dry()))?;
    let resolved = ctx.runner.run(&cmd).await.and_then(|done| done.ok(&cmd));
    ctx.progress.task_finished("resolve", started, resolved.is_ok());
    if let Err(error) = resolved {
        if let Some(refusal) = guard::explain(ctx, &tool, wanted, &request).await {
            return Err(refusal);
        }
        let problem = installer_problem(ctx, wanted, "the Python requirements cannot be resolved", &error).await;
        return Err(if hints::is_final(error.stderr()) { problem.refusing() } else { problem });
    }
    let conflicts = conflicts(ctx, &tool, wanted).await?;
    Ok(Installation { tool, constraints, conflicts })
}

/// uv locks an environment with a world-writable file, even for a dry run, and leaves it behind. The returned guard
/// removes it.
fn no_trace(wanted: &PythonInstall) -> Option<fs::NewFileGuard> {
    let folder = wanted.interpreter.parent().and_then(Path::parent).and_then(|folder| folder.canonicalize().ok());
    folder.filter(|_| wanted.virtualenv).map(|folder| fs::NewFileGuard::new(&folder.join(".lock")))
}

/// Restores or installs the distributions, then verifies them.
pub async fn act(ctx: &Context, wanted: &PythonInstall, prepared: Prepared) -> Result<(), Problem> {
    remember_shipped(ctx, wanted)?;
    let installation = match prepared {
        Prepared::Installation(installation) => installation,
        // The layer was made from a consistent environment of the same runtime, in which all smoke imports worked.
        Prepared::Layer(staged) => match restore(ctx, wanted, staged).await {
            Ok(()) => return remember_installed(ctx, wanted),
            Err(error) => {
                Staged::warn_not_put(ctx, Environment::Python, &error);
                Box::pin(prepare_installation(ctx, wanted)).await?
            }
        },
    };
    let _no_trace = no_trace(wanted);
    for name in repair::remove_unreadable(&wanted.interpreter, &wanted.shipped)? {
        ctx.progress.warn(format!("`{name}` was damaged and is installed again if the profile requires it"));
    }
    let began = SystemTime::now();
    let made = install_all(ctx, wanted, &installation).await?;
    if let Err(error) = verify_installed(ctx, wanted) {
        let _ = repair::clean_up_failed(&ctx.root, wanted, began);
        return Err(error);
    }
    let new: Vec<String> =
        conflicts(ctx, &installation.tool, wanted).await?.difference(&installation.conflicts).cloned().collect();
    if !new.is_empty() {
        let mut error = Problem::new("the installed distributions conflict with each other");
        error.causes = new;
        return Err(error);
    }
    check_imports(ctx, &wanted.interpreter, &wanted.smoke, Trace::ByteCode).await?;
    made.keep(ctx, wanted);
    remember_installed(ctx, wanted)
}

/// Installs the requested distributions. Returns the byte code to publish after verification.
async fn install_all(ctx: &Context, wanted: &PythonInstall, installation: &Installation) -> Result<ByteCode, Problem> {
    let tool = &installation.tool;
    let Some(files) = &wanted.locked else {
        install(ctx, wanted, tool.install(&Request::all(wanted, installation.constraints.as_deref()))).await?;
        return Ok(ByteCode::default());
    };
    // An earlier step may have installed some of them.
    let env = PythonEnv::read(&wanted.interpreter)
        .map_err(|error| Problem::new("the environment cannot be read").because(&error))?;
    let files = locked::not_installed(&env, files);
    if files.is_empty() && wanted.wheels.is_empty() {
        return Ok(ByteCode::default());
    }
    let (config, interpreter) = (PipConfig::of(ctx, wanted), Interpreter::read(ctx, &env).await);
    let site = wheel_builds::WheelBuilder { ctx, tool, wanted, config: &config, interpreter: interpreter.as_ref() };
    let built = site.wheels(&locked::sources(ctx, &files)).await?;
    let mut wheels = locked::wheels(ctx, &config, wanted, &files);
    wheels.extend(wheel_builds::to_install(&built).await);
    let mut code = ByteCode::load(ctx, wanted, interpreter.as_ref(), wheels).await;
    let compile = wanted.compile && !code.has_any();
    let built: Vec<&Path> = built.iter().map(|wheel| wheel.path.as_path()).collect();
    install(ctx, wanted, locked::command(ctx, tool, wanted, &files, &built, compile)?).await?;
    if wanted.compile && !compile {
        let of_files = wanted.wheels.iter().map(|wheel| wheel.name.clone());
        let names: Vec<String> = files.iter().map(|file| file.name.clone()).chain(of_files).collect();
        code.complete(ctx, wanted, &names).await;
    }
    Ok(code)
}

/// Moves a layer into place and verifies it. On an error the distributions must be installed instead.
async fn restore(ctx: &Context, wanted: &PythonInstall, staged: Staged) -> Result<(), LayerError> {
    staged.put(ctx).await?;
    let faults = faults(ctx, wanted).unwrap_or_else(|problem| vec![problem.message]);
    if faults.is_empty() { Ok(()) } else { Err(LayerError::Incomplete(faults)) }
}

async fn install(ctx: &Context, wanted: &PythonInstall, cmd: Cmd) -> Result<(), Problem> {
    let cmd = index_auth::with_logins(ctx, cmd)?.log(ctx.logs.join("pip.log"));
    let progress = ctx.progress.clone();
    let started = Timestamp::now();
    let watcher = Arc::new(move |line: &str| progress.now(line.trim(), None));
    let installed = ctx.runner.watch(&cmd, Some(watcher)).await.and_then(|done| done.ok(&cmd));
    ctx.progress.task_finished("install", started, installed.is_ok());
    match installed {
        Ok(_) => Ok(()),
        Err(error) => {
            // The next run would take half-installed distributions for complete ones.
            let _ = repair::clean_up_failed(&ctx.root, wanted, started.into());
            Err(installer_problem(ctx, wanted, "the Python distributions could not be installed", &error).await)
        }
    }
}

/// The problem of a failed installer, with a hint. A refused login takes precedence, because it explains other
/// messages.
async fn installer_problem(ctx: &Context, wanted: &PythonInstall, message: &str, error: &ExecError) -> Problem {
    let failed = Problem::new(message).because(error);
    match index_auth::refusal(ctx, wanted, error.stderr()).await {
        Some((cause, hint)) => failed.cause(cause).hint(hint),
        None => failed.hint(hints::of(error.stderr())),
    }
}

/// Writes the versions of guarded distributions to a constraints file.
fn write_constraints(ctx: &Context, wanted: &PythonInstall) -> Result<Option<PathBuf>, Problem> {
    let fixed: Vec<String> = wanted
        .guarded
        .iter()
        // A constraint must be a PEP 440 version. Distributions of the operating system may have other versions.
        .filter(|(_, version)| version.parse::<pep440_rs::Version>().is_ok())
        .map(|(name, version)| format!("{name}=={version}\n"))
        .collect();
    if fixed.is_empty() {
        return Ok(None);
    }
    let path = ctx.logs.join("pip-constraints.txt");
    fs::replace(&path, fixed.concat().as_bytes(), Attributes::mode(0o644))?;
    Ok(Some(path))
}

/// The conflicts that `pip check` reports, one per line. A runtime may ship with conflicts.
async fn conflicts(ctx: &Context, tool: &Installer, wanted: &PythonInstall) -> Result<BTreeSet<String>, Problem> {
    let done = ctx.runner.run(&tool.check(&wanted.interpreter)).await?;
    if done.code == 0 {
        return Ok(BTreeSet::new());
    }
    let lines = done.stdout.lines().chain(done.stderr.lines());
    Ok(lines
        .map(str::trim)
        .filter(|line| line.contains("requires") || line.contains(" has "))
        .map(str::to_owned)
        .collect())
}

fn verify_installed(ctx: &Context, wanted: &PythonInstall) -> Result<(), Problem> {
    let faults = faults(ctx, wanted)?;
    if faults.is_empty() {
        return Ok(());
    }
    ctx.progress.warn("the installer reported success, but the verification failed");
    let mut error = Problem::new("the installer reported success, but not all requested distributions are installed");
    error.causes = faults;
    Err(error)
}

/// The differences between the request and the environment.
fn faults(ctx: &Context, wanted: &PythonInstall) -> Result<Vec<String>, Problem> {
    let env = PythonEnv::read(&wanted.interpreter)
        .map_err(|error| Problem::new("the environment cannot be read").because(&error))?;
    let mut faults = Vec::new();
    for wheel in &wanted.wheels {
        match env.distributions.get(&wheel.name).filter(|found| found.is_complete) {
            Some(found) if found.version == wheel.version => {}
            Some(found) => {
                faults.push(format!("`{}` is installed as {}, not {}", wheel.name, found.version, wheel.version));
            }
            None => faults.push(format!("`{}` is not installed", wheel.name)),
        }
    }
    for (name, version) in &wanted.guarded {
        match env.distributions.get(name) {
            Some(found) if found.version == *version => {}
            Some(found) => {
                faults.push(format!("`{name}` {version}, which the runtime ships, became {}", found.version));
            }
            None => faults.push(format!("`{name}` {version}, which the runtime ships, is missing")),
        }
    }
    if let Some(files) = &wanted.locked {
        let names = files.iter().map(|file| &file.name).chain(wanted.wheels.iter().map(|wheel| &wheel.name));
        locked::remove_uv_notes(&env, names)?;
        faults.extend(locked::missing(&env, files));
        return Ok(faults);
    }
    let arch = if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" };
    for file in &wanted.requirement_files {
        let text = std::fs::read_to_string(file).unwrap_or_default();
        match Requirements::read(&ctx.filestore.shown(file), &text, file.parent()) {
            Ok(requirements) => {
                let missing = unsatisfied(&env, arch, &requirements);
                faults.extend(missing.iter().map(|text| format!("`{text}` is not installed")));
            }
            Err(error) => faults.push(error.to_string()),
        }
    }
    let named = wanted.requirements.iter().filter_map(|wanted| {
        let requirement = wanted.text.parse().ok()?;
        Some(crate::profile::requirements::Named { requirement, origin: wanted.origin.clone() })
    });
    let direct = Requirements { named: named.collect(), ..Requirements::default() };
    faults.extend(unsatisfied(&env, arch, &direct).iter().map(|text| format!("`{text}` is not installed")));
    Ok(faults)
}

/// The files that imports may leave behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trace {
    /// Byte code of the imported modules.
    ByteCode,
    /// No files.
    None,
}

/// Imports each module in a separate process, because an installed distribution may still be unusable.
pub(super) async fn check_imports(
    ctx: &Context,
    interpreter: &Path,
    modules: &[String],
    trace: Trace,
) -> Result<(), Problem> {
    const IMPORT: &str = "import importlib, sys\nfor name in sys.argv[1:]:\n    sys.stderr.write('importing ' + name + '\\n')\n    importlib.import_module(name)\n";
    if modules.is_empty() {
        return Ok(());
    }
    let started = Timestamp::now();
    ctx.progress.now("importing the installed modules", None);
    let cmd =
        Cmd::new(interpreter.to_string_lossy()).args(["-c", IMPORT]).args(modules.iter().map(String::as_str)).cwd("/");
    let cmd = if trace == Trace::None { installer::without_byte_code(cmd) } else { cmd };
    let done = ctx.runner.run(&cmd).await?;
    ctx.progress.task_finished("import", started, done.code == 0);
    if done.code == 0 {
        return Ok(());
    }
    let module =
        done.stderr.lines().filter_map(|line| line.strip_prefix("importing ")).next_back().unwrap_or("a module");
    let reason = done.stderr.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
    Err(Problem::new(format!("`import {module}` fails after the installation"))
        .cause(reason.trim())
        .hint(hints::of(&done.stderr)))
}

/// Records the shipped distributions in the receipt, before the first change makes them indistinguishable.
fn remember_shipped(ctx: &Context, wanted: &PythonInstall) -> Result<(), Problem> {
    let site = wanted.site_packages.display().to_string();
    Ok(Receipt::update(&ctx.root, |receipt| {
        let entry = receipt.python.entry(site).or_default();
        if entry.shipped.is_empty() {
            entry.shipped.clone_from(&wanted.shipped);
        }
    })?)
}

fn remember_installed(ctx: &Context, wanted: &PythonInstall) -> Result<(), Problem> {
    let site = wanted.site_packages.display().to_string();
    Ok(Receipt::update(&ctx.root, |receipt| {
        let entry = receipt.python.entry(site).or_default();
        let wheels = wanted.wheels.iter().filter_map(|wheel| Some((wheel.name.clone(), wheel.sha256.clone()?)));
        entry.wheels.extend(wheels);
        let lines = wanted.opaque.iter().filter(|line| !entry.opaque.contains(line)).cloned().collect::<Vec<_>>();
        entry.opaque.extend(lines);
    })?)
}

/// The agent's cache folder for Python tools and downloads.
fn cache(ctx: &Context) -> PathBuf {
    ctx.cache.join("python")
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}
