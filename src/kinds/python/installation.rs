//! The installation of Python distributions: prepared by a resolution, then performed and verified.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::Arc,
    time::SystemTime,
};

use jiff::Timestamp;

use super::{
    bytecode::ByteCode,
    cache::cache,
    check_imports::{Trace, check_imports},
    guard, hints, ignored_settings,
    index::PipConfig,
    index_auth,
    installer::{Installer, Request},
    installer_problem::installer_problem,
    interpreter::Interpreter,
    locked,
    python_install::PythonInstall,
    repair,
    requirements_file::{check_fetched, opaque_marks},
    uv,
    verify::{conflicts, faults, verify_installed},
    wheel_builds,
};
use crate::{
    exec::Cmd,
    facts::PythonEnv,
    fs::{self, Attributes},
    lock::LockedDistribution,
    plan::Environment,
    problem::Problem,
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
pub(super) async fn prepare(ctx: &Context, wanted: &PythonInstall) -> Result<Prepared, Problem> {
    if let Some(layer) = &wanted.layer
        && let Some(staged) = layers::stage(ctx, layer).await
    {
        return Ok(Prepared::Layer(staged));
    }
    Box::pin(prepare_installation(ctx, wanted)).await.map(Prepared::Installation)
}

/// Resolves the request in the environment.
pub(super) async fn prepare_installation(ctx: &Context, wanted: &PythonInstall) -> Result<Installation, Problem> {
    let tool = uv::find(ctx, wanted).await?;
    let _no_trace = no_trace(wanted);
    if let Some(files) = &wanted.locked {
        fetch_locked(ctx, wanted, files).await?;
        return unresolved(ctx, tool, wanted).await;
    }
    // Installers fail on a distribution without metadata, so the request is then resolved for an empty folder.
    let empty = cache(ctx).join("empty");
    let apart = repair::has_unreadable(&wanted.interpreter).then_some(empty.as_path());
    resolve_all(ctx, &tool, wanted, apart).await?;
    unresolved(ctx, tool, wanted).await
}

/// Fetches the distributions of a lock.
pub(super) async fn fetch_locked(
    ctx: &Context,
    wanted: &PythonInstall,
    files: &[LockedDistribution],
) -> Result<(), Problem> {
    wheel_builds::check_source_builds_allowed(ctx, files)?;
    locked::fetch(ctx, wanted, files).await
}

/// An installation whose request needs no resolution, or was resolved apart.
pub(super) async fn unresolved(
    ctx: &Context,
    tool: Installer,
    wanted: &PythonInstall,
) -> Result<Installation, Problem> {
    let constraints = if wanted.locked.is_some() { None } else { write_constraints(ctx, wanted)? };
    let conflicts = conflicts(ctx, &tool, wanted).await?;
    Ok(Installation { tool, constraints, conflicts })
}

/// Tries the resolution of all calls. `apart` is an empty folder to resolve for, if the installer cannot read the
/// environment.
pub(super) async fn resolve_all(
    ctx: &Context,
    tool: &Installer,
    wanted: &PythonInstall,
    apart: Option<&Path>,
) -> Result<(), Problem> {
    ignored_settings::warn(ctx);
    check_fetched(ctx, wanted)?;
    let constraints = write_constraints(ctx, wanted)?;
    ctx.progress.now("resolving", None);
    let started = Timestamp::now();
    let mut resolved = Ok(());
    for call in Request::calls(wanted, constraints.as_deref()) {
        resolved = resolve(ctx, tool, &Request { apart, ..call }).await;
        if resolved.is_err() {
            break;
        }
    }
    ctx.progress.task_finished("resolve", started, resolved.is_ok());
    resolved
}

/// Tries the resolution of a call. A request that can never be resolved refuses the run.
async fn resolve(ctx: &Context, tool: &Installer, request: &Request<'_>) -> Result<(), Problem> {
    let cmd = index_auth::with_logins(ctx, tool.install(&request.dry()))?;
    let Err(error) = ctx.runner.run(&cmd).await.and_then(|done| done.ok(&cmd)) else { return Ok(()) };
    let wanted = request.install;
    if let Some(refusal) = guard::explain(ctx, tool, wanted, request).await {
        return Err(refusal);
    }
    let problem = installer_problem(ctx, wanted, "the Python requirements cannot be resolved", &error).await;
    let is_final = hints::is_final(&format!("{}\n{}", error.stderr(), problem.causes.join("\n")));
    Err(if is_final { problem.refusing() } else { problem })
}

/// uv locks an environment with a world-writable file, even for a dry run, and leaves it behind. The returned guard
/// removes it.
fn no_trace(wanted: &PythonInstall) -> Option<fs::NewFileGuard> {
    let folder = wanted.interpreter.parent().and_then(Path::parent).and_then(|folder| folder.canonicalize().ok());
    folder.filter(|_| wanted.virtualenv).map(|folder| fs::NewFileGuard::new(&folder.join(".lock")))
}

/// Restores or installs the distributions, then verifies them.
pub(super) async fn act(ctx: &Context, wanted: &PythonInstall, prepared: Prepared) -> Result<(), Problem> {
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
    install_resolved(ctx, wanted, installation).await
}

/// Installs the distributions, then verifies them.
pub(super) async fn install_resolved(
    ctx: &Context,
    wanted: &PythonInstall,
    installation: Installation,
) -> Result<(), Problem> {
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
    ctx.wait_for_disk(&wanted.site_packages)?;
    remember_installed(ctx, wanted)
}

/// Installs the requested distributions. Returns the byte code to publish after verification.
async fn install_all(ctx: &Context, wanted: &PythonInstall, installation: &Installation) -> Result<ByteCode, Problem> {
    let tool = &installation.tool;
    let Some(files) = &wanted.locked else {
        for call in Request::calls(wanted, installation.constraints.as_deref()) {
            install(ctx, wanted, tool.install(&call)).await?;
        }
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
    let built: Vec<_> = built.iter().map(|wheel| (wheel.name.as_str(), wheel.path.as_path())).collect();
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
    let cmd = index_auth::with_logins(ctx, cmd)?.log(ctx.logs.join(wanted.own_file("pip.log")));
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

/// Writes a constraints file: the versions of guarded distributions, and those of entries without dependencies.
fn write_constraints(ctx: &Context, wanted: &PythonInstall) -> Result<Option<PathBuf>, Problem> {
    let fixed: Vec<String> = wanted
        .guarded
        .iter()
        // A constraint must be a PEP 440 version. Distributions of the operating system may have other versions.
        .filter(|(_, version)| version.parse::<pep440_rs::Version>().is_ok())
        .map(|(name, version)| format!("{name}=={version}\n"))
        .chain(wanted.constraints_without_deps().into_iter().map(|line| line + "\n"))
        .collect();
    if fixed.is_empty() {
        return Ok(None);
    }
    let path = ctx.logs.join(wanted.own_file("pip-constraints.txt"));
    fs::replace(&path, fixed.concat().as_bytes(), Attributes::mode(0o644))?;
    Ok(Some(path))
}

/// Records the shipped distributions in the receipt, before the first change makes them indistinguishable.
pub(super) fn remember_shipped(ctx: &Context, wanted: &PythonInstall) -> Result<(), Problem> {
    let site = wanted.site_packages.display().to_string();
    Ok(Receipt::update(&ctx.root, |receipt| {
        let entry = receipt.python.entry(site).or_default();
        if entry.shipped.is_empty() {
            entry.shipped.clone_from(&wanted.shipped);
        }
    })?)
}

fn remember_installed(ctx: &Context, wanted: &PythonInstall) -> Result<(), Problem> {
    let of_servers = if wanted.locked.is_some() { Vec::new() } else { check_fetched(ctx, wanted)? };
    let opaque: BTreeSet<String> =
        wanted.opaque.iter().cloned().chain(of_servers.iter().flat_map(opaque_marks)).collect();
    let site = wanted.site_packages.display().to_string();
    Ok(Receipt::update(&ctx.root, |receipt| {
        let entry = receipt.python.entry(site).or_default();
        let wheels = wanted.wheels.iter().filter_map(|wheel| Some((wheel.name.clone(), wheel.sha256.clone()?)));
        entry.wheels.extend(wheels);
        let lines = opaque.into_iter().filter(|line| !entry.opaque.contains(line)).collect::<Vec<_>>();
        entry.opaque.extend(lines);
    })?)
}
