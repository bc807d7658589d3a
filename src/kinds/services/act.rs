//! Brings services to their state: writes definitions, reloads systemd, enables, starts, and waits until the service
//! works.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use super::{
    action::{Action, Apply},
    changes::{Changes, Run, SECRET_MODE, changes},
    checked::Services,
    definitions,
    desired::{DesiredService, without_effect},
    files, hints,
    init_script::pid_file,
    look::ServiceLook,
    manager::Manager,
    remove,
    state::InitSystem,
    triggers::Triggers,
    written::State,
};
use crate::{
    facts::Dpkg,
    fs::{self, Attributes, FsError},
    inventory::{Vault, below},
    kinds::{
        contract::{Acting, Interruption, LeftBehind, LoginFile},
        no_packages::locks_no_packages,
    },
    problem::Problem,
    profile::FileStore,
    secrets::{Secret, file_formats::Rendered},
    state::{Receipt, ServiceReceipt},
    steps::{Context, ProbeFailure, ProbeTools, remove_partial_files, wait_for},
};

/// The time that a daemon has to write its pid file.
const APPEARING: Duration = Duration::from_secs(5);
/// The time that a service without `health` must run after its start.
const SETTLING: Duration = Duration::from_secs(1);
const INTERVAL: Duration = Duration::from_millis(50);

impl Acting for Services {
    type Prepared = ();

    fn word(_: &Action) -> &'static str {
        "services"
    }

    fn title(action: &Action) -> String {
        action.title()
    }

    fn describe(action: &Action, _: &FileStore) -> Vec<String> {
        action.describe()
    }

    fn can_refuse(_: &Action) -> bool {
        false
    }

    locks_no_packages!();

    fn login_file(_: &Action) -> LoginFile {
        LoginFile::None
    }

    async fn prepare(_: &Context, _: &Action) -> Result<(), Problem> {
        Ok(())
    }

    async fn act(ctx: &Context, action: &Action, (): (), vault: &Vault) -> Result<(), Problem> {
        match action {
            Action::Apply(apply) => self::apply(ctx, apply, vault).await,
            Action::Remove(removed) => remove::remove(ctx, removed).await,
        }
    }

    fn leaves_behind(action: &Action, (): &()) -> LeftBehind {
        match action {
            Action::Apply(apply) => {
                LeftBehind::items(apply.all.iter().flat_map(|wanted| wanted.paths(&apply.root)).collect())
            }
            Action::Remove(_) => LeftBehind::default(),
        }
    }

    fn clean_up(_: &Path, _: Interruption<'_>, items: &[String]) -> Result<Vec<String>, FsError> {
        // Files are complete or absent, but a partial file may be next to them. The present state of a service shows
        // what is missing.
        remove_partial_files(items)
    }
}

/// The present state of a service, and the changes that it needs.
struct Observed {
    look: ServiceLook,
    triggers: Triggers,
    changes: Changes,
}

async fn apply(ctx: &Context, apply: &Apply, vault: &Vault) -> Result<(), Problem> {
    let wanted = &*apply.wanted;
    let manager = Manager { ctx, init: wanted.init };
    wanted
        .without_effect()
        .iter()
        .for_each(|key| ctx.progress.warn(format!("{}: {}", wanted.name, without_effect(key))));
    let value = |from: &_| -> Option<&Secret> { vault.get(from).and_then(Result::ok) };
    let secrets = match wanted.service.secrets().next() {
        Some(_) => files::secret_content(&wanted.service, value)?,
        None => None,
    };
    // The reasons for a restart are those before the files are written.
    let before = observe(ctx, wanted, secrets.as_ref())?;
    definitions::define(ctx, wanted, &apply.all).await?;
    if let Some(secrets) = secrets.as_ref().filter(|_| before.changes.write_secrets) {
        write_secrets(ctx, wanted, secrets)?;
    }
    let ready = observe(ctx, wanted, secrets.as_ref())?;
    if !ready.look.definition.exists {
        let message = format!("there is no service `{}` on this node", wanted.name);
        return Err(Problem::new(message)
            .hint("check the name, or add the package that contains the service to `[apt]`".to_owned()));
    }
    if let Some(enabled) = ready.changes.enable {
        manager.set_enabled(&wanted.name, enabled).await?;
    }
    let run = match (before.changes.run, ready.changes.run.clone()) {
        (Some(Run::Restart(reasons)), None | Some(Run::Restart(_))) => Some(Run::Restart(reasons)),
        (_, run) => run,
    };
    let verb = run.as_ref().map(|run| match run {
        Run::Start => "start",
        Run::Restart(_) => "restart",
        Run::Stop => "stop",
    });
    if let Some(Run::Restart(reasons)) = &run {
        ctx.progress.now(format!("restart: {}", reasons.join(", ")), None);
    }
    if matches!(run, Some(Run::Start)) && wanted.init == InitSystem::Scripts && wanted.service.command.is_some() {
        // The process of this file has ended, and another process may have its id.
        fs::remove(&ctx.on_node(&pid_file(&wanted.name)))?;
    }
    if let Some(verb) = verb
        && let Err(error) = manager.control(&wanted.name, verb).await
    {
        return Err(failure(manager, wanted, Problem::from(error)).await);
    }
    if wanted.service.state == State::Running
        && let Err(problem) = until_it_works(ctx, wanted, verb.is_some()).await
    {
        return Err(failure(manager, wanted, problem).await);
    }
    // A change after the start is a reason for the next restart, so the state from before the start is recorded.
    record(ctx, wanted, &ready)?;
    let after = observe(ctx, wanted, secrets.as_ref())?;
    let is_done = Changes { run: None, ..after.changes.clone() }.is_empty()
        && !matches!(after.changes.run, Some(Run::Start | Run::Stop));
    if is_done {
        return Ok(());
    }
    let missing = after.changes.in_words(wanted.definition_word()).join(", ");
    let problem = Problem::new(format!("`{}` did not reach its state; still to do: {missing}", wanted.name));
    Err(failure(manager, wanted, problem).await)
}

fn observe(ctx: &Context, wanted: &DesiredService, secrets: Option<&Rendered>) -> Result<Observed, Problem> {
    let receipt = Receipt::read(&ctx.root);
    let record = receipt.service(&wanted.profile, &wanted.name);
    let look = ServiceLook::read(&ctx.root, wanted.init, &wanted.name, &wanted.service, record)?;
    let dpkg = look.package.as_ref().and_then(|_| Dpkg::read(&ctx.root).ok()).unwrap_or_default();
    let version = |package: &str| dpkg.installed_version(package).map(str::to_owned);
    let triggers = Triggers::read(&ctx.root, wanted, &look, &receipt, version);
    let changes = changes(wanted, &look, record, &triggers, secrets);
    Ok(Observed { look, triggers, changes })
}

/// Writes the file with the secrets. Only root can read it: systemd reads it before the program starts.
fn write_secrets(ctx: &Context, wanted: &DesiredService, secrets: &Rendered) -> Result<(), Problem> {
    let Some(path) = files::secret_file(&wanted.name, &wanted.service) else { return Ok(()) };
    let path = below(&ctx.root, &path);
    if let Some(folder) = path.parent() {
        fs::create_dirs(folder, 0o711)?;
    }
    Ok(fs::replace(&path, secrets.reveal(), Attributes::mode(SECRET_MODE))?)
}

/// Waits until the service works. After a start it must not have ended in the meantime.
async fn until_it_works(ctx: &Context, wanted: &DesiredService, is_new: bool) -> Result<(), Problem> {
    let running = || {
        let look = ServiceLook::read(&ctx.root, wanted.init, &wanted.name, &wanted.service, None).ok();
        look.and_then(|look| look.definition.running).map(|running| running.id)
    };
    let ended = |when: &str| {
        Problem::new(format!("`{}` ended {when}", wanted.name)).hint(
            "read the last lines of its log; if the program ends by design, set `settings = { Service = { \
             RemainAfterExit = true } }`"
                .to_owned(),
        )
    };
    let began = Instant::now();
    let id = loop {
        match running() {
            Some(id) => break id,
            None if began.elapsed() > APPEARING => return Err(ended("immediately after its start")),
            None => tokio::time::sleep(INTERVAL).await,
        }
    };
    let still_runs = || running().as_ref() == Some(&id);
    match &wanted.service.health {
        Some(health) => {
            let tools = ProbeTools { runner: &*ctx.runner, http: &ctx.http, root: &ctx.root };
            wait_for(health, tools, still_runs).await.map_err(|ProbeFailure { reason, is_late }| {
                let limit = humantime::format_duration(health.timeout);
                let why = if is_late { format!("{limit} after the start") } else { "and the service has ended".into() };
                Problem::new(format!("the health test of `{}` failed: {reason}, {why}", wanted.name))
            })?;
        }
        None if is_new => {
            let began = Instant::now();
            while began.elapsed() < SETTLING && still_runs() {
                tokio::time::sleep(INTERVAL).await;
            }
        }
        None => {}
    }
    if still_runs() { Ok(()) } else { Err(ended("shortly after its start")) }
}

/// Adds the last lines of the log to a failure, and a hint.
async fn failure(manager: Manager<'_>, wanted: &DesiredService, problem: Problem) -> Problem {
    let look = ServiceLook::read(&manager.ctx.root, wanted.init, &wanted.name, &wanted.service, None);
    let definition = look.map(|look| look.definition).unwrap_or_default();
    let lines = manager.last_lines(&wanted.name, &definition).await;
    let hint = hints::hint(&problem.message, &lines);
    let mut problem = Problem { hint: hint.or(problem.hint), ..problem };
    problem.causes.extend(lines);
    problem
}

fn record(ctx: &Context, wanted: &DesiredService, observed: &Observed) -> Result<(), Problem> {
    let change = |record: &mut ServiceReceipt| {
        let Triggers { values, stamps, .. } = &observed.triggers;
        (record.triggers, record.stamps) = (values.clone(), stamps.clone());
        record.package = observed.look.package.as_ref().map(|(name, _)| name.clone());
    };
    Ok(Receipt::update(&ctx.root, |receipt| receipt.change_service(&wanted.profile, &wanted.name, change))?)
}
