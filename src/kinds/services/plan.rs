//! Plans services: one step for each service that is not in its state, and one for each service that the profile no
//! longer names.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use super::{
    action::{Action, Apply, RemovedService},
    changes::changes,
    checked::{Service, Services, Watched},
    desired::DesiredService,
    files,
    look::ServiceLook,
    state::InitSystem,
    triggers::Triggers,
    unit,
    written::State,
};
use crate::{
    diagnostic::Origin,
    fs::FsError,
    inventory::Inventory,
    kinds::{
        contract::{LookAt, Planning},
        no_packages::plans_no_packages,
    },
    plan::{Address, Phase, Planner, Resource, StepOptions},
    problem::Problem,
    profile::{Entry, RunStage, Setting},
    secrets::file_formats::Rendered,
};

/// The state of the node that services need.
#[derive(Debug)]
pub struct Look {
    init: InitSystem,
    services: BTreeMap<String, Result<ServiceLook, FsError>>,
}

impl Planning for Services {
    type Look = Look;
    type Action = Action;

    fn look(&self, at: &LookAt<'_>) -> Look {
        let init = InitSystem::of(at.root);
        let read = |(name, entry): (&String, &Entry<Service>)| {
            let record = at.receipt.service(at.profile, name);
            (name.clone(), ServiceLook::read(at.root, init, name, &entry.value, record))
        };
        Look { init, services: self.0.iter().map(read).collect() }
    }

    plans_no_packages!();

    fn addresses(&self, _: &Inventory) -> Vec<Address> {
        Vec::new()
    }

    fn outline(&self) -> Vec<StepOptions> {
        self.0.iter().map(|(name, entry)| options(name, entry)).collect()
    }

    fn plan(&self, look: &Look, planner: &mut Planner<'_, Action>) {
        let mut drafts = Vec::new();
        for (name, entry) in &self.0 {
            match look.services.get(name) {
                Some(Ok(found)) => drafts.extend(service(name, entry, look.init, found, planner)),
                Some(Err(error)) => planner.refuse_with(refusal_of(error, &entry.origin)),
                None => {}
            }
        }
        let all: Vec<Arc<DesiredService>> = {
            let possible = drafts.iter().filter(|draft| draft.failure.is_none());
            possible.map(|draft| Arc::clone(&draft.apply.wanted)).collect()
        };
        for DraftedStep { mut apply, options, failure } in drafts {
            apply.all.clone_from(&all);
            planner.step(format!("services:{}", apply.wanted.name), Action::Apply(Box::new(apply)), options);
            if let Some(failure) = failure {
                planner.known_failure(failure);
            }
        }
        // A run of the launch removes the services of both stages.
        if planner.common.stage == RunStage::Launch {
            self.no_longer_named(look.init, planner);
        }
    }
}

/// A step without the list of all services of the run.
struct DraftedStep {
    apply: Apply,
    options: StepOptions,
    failure: Option<Problem>,
}

fn refusal_of(error: &FsError, origin: &Origin) -> Problem {
    Problem::from_error(error).hint(error.hint()).asked_at(origin.clone())
}

/// Plans one service. `None` if it is in its state, or the run is refused.
fn service(
    name: &str,
    entry: &Entry<Service>,
    init: InitSystem,
    look: &ServiceLook,
    planner: &mut Planner<'_, Action>,
) -> Option<DraftedStep> {
    let inventory = planner.common.inventory;
    let service = &entry.value;
    let is_of_profile = |path: &std::path::PathBuf| planner.earlier.written_files.iter().any(|(file, _)| file == path);
    let wanted = Arc::new(DesiredService {
        profile: planner.common.profile.to_owned(),
        name: name.to_owned(),
        service: service.clone(),
        init,
        command_files: service.named_paths().filter(is_of_profile).collect(),
    });
    if let Some(file) = wanted.definition() {
        planner.writes(&file.path, &entry.origin);
    }
    let (secrets, failure) = match secrets_of(entry, inventory) {
        Ok(secrets) => (secrets, None),
        Err(problem) => (None, Some(problem)),
    };
    let failure = failure.or_else(|| impossible(&wanted, look, &entry.origin, planner));
    if let Some(problem) = failure.clone().filter(|_| !entry.optional) {
        planner.refuse_with(problem);
        return None;
    }
    let record = inventory.receipt.service(&wanted.profile, name);
    let version = |package: &str| inventory.dpkg.installed_version(package).map(str::to_owned);
    let triggers = Triggers::read(&inventory.root, &wanted, look, &inventory.receipt, version);
    let changes = changes(&wanted, look, record, &triggers, secrets.as_ref());
    let after_changes = if service.state == State::Running { earlier_changes(&wanted, planner) } else { Vec::new() };
    if changes.is_empty() && after_changes.is_empty() && failure.is_none() {
        planner.ready(format!("services: {name} ({})", unit::state(service.state)));
        return None;
    }
    let mut options = options(name, entry);
    if service.command.is_some() {
        options.creates.extend(wanted.definition().map(|file| Resource::Path(file.path)));
    }
    let apply = Apply {
        wanted,
        all: Vec::new(),
        changes,
        after_changes,
        before: look.written.as_ref().and_then(|found| found.bytes.clone()),
        root: inventory.root.clone(),
    };
    Some(DraftedStep { apply, options, failure })
}

/// The wanted content of the file with secrets.
fn secrets_of(entry: &Entry<Service>, inventory: &Inventory) -> Result<Option<Rendered>, Problem> {
    for (_, secret) in entry.value.secrets() {
        let found = secret.from.as_ref().and_then(|from| inventory.vault.get(from));
        if let Some(Err(error)) = found {
            let message = format!("the secret `{}` is not available: {error}", secret.key);
            return Err(Problem::new(message).hint(error.hint()).asked_at(entry.origin.clone()));
        }
    }
    if entry.value.secrets().next().is_none() {
        return Ok(None);
    }
    let value = |from: &_| inventory.vault.get(from).and_then(Result::ok);
    files::secret_content(&entry.value, value).map_err(|problem| problem.asked_at(entry.origin.clone()))
}

/// The reason why the service cannot be brought to its state on this node.
fn impossible(
    wanted: &DesiredService,
    look: &ServiceLook,
    origin: &Origin,
    planner: &Planner<'_, Action>,
) -> Option<Problem> {
    let problem =
        |message: String, hint: &str| Some(Problem::new(message).hint(hint.to_owned()).asked_at(origin.clone()));
    let (name, service) = (&wanted.name, &wanted.service);
    let record = planner.common.inventory.receipt.service(&wanted.profile, name);
    if let Some(unit) = look.definition.defined_by_others(record.is_some()).filter(|_| service.command.is_some()) {
        let message = format!("`{name}` has a `command`, but `{}` already defines this service", unit.display());
        return problem(message, "leave `command` out, and change the service with `settings`");
    }
    let inventory = planner.common.inventory;
    if wanted.init == InitSystem::Scripts && service.command.is_none() {
        let keys = [
            ("environment", !service.environment.is_empty()),
            ("user", service.user.is_some()),
            ("working-directory", service.working_directory.is_some()),
        ];
        if let Some((key, _)) = keys.iter().find(|(_, is_set)| *is_set) {
            let message = format!("`{key}` of `{name}` needs `command`: systemd is not process 1 of this node");
            return problem(message, "an init script of a package takes no settings; use the files that it reads");
        }
    }
    // An earlier step may create what is missing.
    if !planner.earlier.steps.is_empty() {
        return None;
    }
    if service.command.is_none() && !look.definition.exists && service.state == State::Running {
        let message = format!("there is no service `{name}` on this node, and nothing in the profile installs one");
        return problem(message, "check the name, add the package to `[apt]`, or give a `command`");
    }
    let program = service.program().filter(|program| !look.files.contains_key(Path::new(program)));
    if let Some(program) = program {
        return problem(format!("the program `{program}` of `{name}` does not exist"), "check the path in `command`");
    }
    let user = service.user.as_ref().filter(|user| inventory.users.user(user).is_none());
    user.and_then(|user| problem(format!("there is no user `{user}` on this node"), "name a user of the node"))
}

/// The steps whose changes may cause a restart.
fn earlier_changes(wanted: &DesiredService, planner: &Planner<'_, Action>) -> Vec<String> {
    let service = &wanted.service;
    let earlier = planner.earlier;
    let program = service.program().map(Path::new);
    let files = program.into_iter().chain(wanted.command_files.iter().map(std::path::PathBuf::as_path));
    let mut steps: Vec<String> =
        files.filter_map(|path| earlier.writer_of(path)).map(|step| step.id.to_string()).collect();
    for watched in &service.restart_on {
        let step = match watched {
            Watched::Entry(name, _) => earlier.step_of(name),
            Watched::Files(pattern) => glob::Pattern::new(pattern).ok().and_then(|glob| {
                let writes = |path: &Path| glob.matches_path(path) || Path::new(pattern).starts_with(path);
                earlier.steps.iter().find(|step| {
                    step.creates.iter().any(|created| matches!(created, Resource::Path(path) if writes(path)))
                })
            }),
        };
        steps.extend(step.map(|step| step.id.to_string()));
    }
    // A package of the service may be upgraded. The service then compares the versions.
    if service.command.is_none() {
        steps.extend(earlier.step_of("apt").map(|step| step.id.to_string()));
    }
    steps.sort();
    steps.dedup();
    steps
}

/// The options of the step of a service, as far as they are known without the node.
fn options(name: &str, entry: &Entry<Service>) -> StepOptions {
    let service = &entry.value;
    let mut options = StepOptions::new(entry, Phase::Services);
    let units = ["/etc/systemd/system", "/etc/init.d"].map(|folder| Path::new(folder).to_owned());
    let unit = [units[0].join(format!("{name}.service")), units[1].join(name)];
    if service.command.is_none() {
        options.uses.extend(unit.map(Resource::Path));
    }
    let program = service.program().map(|program| Resource::Path(program.into()));
    options.uses.extend(program);
    options.uses.extend(service.named_paths().map(Resource::Path));
    options.uses.extend(service.working_directory.clone().map(Resource::Path));
    options.uses.extend(service.user.clone().map(Resource::User));
    for watched in &service.restart_on {
        match watched {
            Watched::Files(pattern) => options.uses.push(Resource::Path(pattern.into())),
            Watched::Entry(name, origin) => {
                options.order.after.push(Setting { value: name.clone(), origin: origin.clone() });
                options.watches.push(name.clone());
            }
        }
    }
    options
}

impl Services {
    /// Services of earlier runs of this profile that it does not name any more.
    fn no_longer_named(&self, init: InitSystem, planner: &mut Planner<'_, Action>) {
        let (profile, receipt) = (planner.common.profile, &planner.common.inventory.receipt);
        for (name, record) in receipt.services.get(profile).into_iter().flatten() {
            let is_later = planner.common.post_start.has(&format!("services.{name}"));
            if is_later || self.0.contains_key(name) || receipt.has_service_elsewhere(profile, name) {
                continue;
            }
            let removed =
                RemovedService { profile: profile.to_owned(), name: name.clone(), init, record: record.clone() };
            let options = StepOptions::for_origins(Vec::new(), format!("services.{name}"), Phase::Services);
            planner.step(format!("services:{name}"), Action::Remove(Box::new(removed)), options);
        }
    }
}
