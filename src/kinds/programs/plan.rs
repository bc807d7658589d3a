//! Plans programs: one step for each program whose work is not done, or whose watched files may change.

use std::path::Path;

use super::{
    action::{Action, DesiredProgram, Role},
    checked::{Program, Programs, Source},
    content::content_digest,
    look::{Look, ProgramLook},
};
use crate::{
    digest::Digest,
    plan::{Lane, Phase, Planner, Resource, StepOptions},
    problem::Problem,
    profile::{Entry, is_glob},
    state::ProgramReceipt,
};

/// Why a program has to run. `None` if it need not.
pub(super) fn reason(
    program: &Program,
    look: &ProgramLook,
    content: &str,
    record: Option<&ProgramReceipt>,
) -> Option<String> {
    if program.proof.is_empty() {
        return match record {
            None => Some("it has not run yet".to_owned()),
            Some(record) => (record.content != content).then(|| "it changed".to_owned()),
        };
    }
    let has_changed = !program.watch.is_empty() && record.is_none_or(|record| record.watched != look.watched);
    look.unmet.clone().or_else(|| has_changed.then(|| "a watched file changed".to_owned()))
}

/// Plans all programs of a section.
pub(in crate::kinds) fn plan(role: Role, programs: &Programs, look: &Look, planner: &mut Planner<'_, Action>) {
    for entry in &programs.0 {
        if let Some(look) = look.0.get(&entry.value.name) {
            program(role, entry, look, planner);
        }
    }
}

fn program(role: Role, entry: &Entry<Program>, look: &ProgramLook, planner: &mut Planner<'_, Action>) {
    let program = &entry.value;
    let common = planner.common;
    let mut options = options(role, entry);
    let (file, script) = match &program.source {
        Source::File(asset) => {
            let Some(file) = common.usable(asset, &entry.origin, &mut options.stage) else {
                return; // it is among the missing files
            };
            // A file that is staged has a digest. The content of other files is read to plan.
            let staged = options.stage.last().and_then(|stage| stage.digest().cloned());
            let bytes = common.inventory.asset(asset).and_then(|found| found.bytes.as_deref());
            (Some(file), staged.or_else(|| bytes.map(Digest::sha256)))
        }
        Source::Text(text) => (None, Some(Digest::sha256(text.as_bytes()))),
        Source::Commands(_) => (None, None),
    };
    let wanted = DesiredProgram { role, profile: common.profile.to_owned(), program: program.clone(), file };
    let id = format!("{}:{}", role.section(), program.name);
    let record = common.inventory.receipt.program(&wanted.profile, &wanted.key());
    let reason = reason(program, look, &content_digest(program, script.as_ref(), &look.watched), record);
    let after_changes = earlier_changes(program, planner);
    if reason.is_none() && after_changes.is_empty() {
        return planner.ready(format!("{}: {}", role.section(), program.name));
    }
    let action = Action { wanted, reason, after_changes };
    match impossible(entry, planner) {
        Some(problem) => planner.impossible(id, action, options, problem),
        None => planner.step(id, action, options),
    }
}

/// The reason why the program cannot run on this node.
fn impossible(entry: &Entry<Program>, planner: &Planner<'_, Action>) -> Option<Problem> {
    let (program, inventory) = (&entry.value, planner.common.inventory);
    for secret in program.secrets() {
        let found = secret.from.as_ref().and_then(|from| inventory.vault.get(from));
        if let Some(Err(error)) = found {
            let message = format!("the secret `{}` is not available: {error}", secret.key);
            return Some(Problem::new(message).hint(error.hint()).asked_at(entry.origin.clone()));
        }
    }
    let user = program.user.as_ref().filter(|user| inventory.users.user(user).is_none())?;
    // An earlier step may create it.
    planner.earlier.steps.is_empty().then(|| {
        Problem::new(format!("there is no user `{user}` on this node"))
            .hint("add it to `[users]`, or check its name".to_owned())
            .asked_at(entry.origin.clone())
    })
}

/// The earlier steps that may change a watched file.
fn earlier_changes(program: &Program, planner: &Planner<'_, Action>) -> Vec<String> {
    let mut steps = Vec::new();
    for pattern in &program.watch {
        let Ok(glob) = glob::Pattern::new(pattern) else { continue };
        let is_watched =
            |path: &Path| glob.matches_path(path) || path.starts_with(pattern) || Path::new(pattern).starts_with(path);
        let changing = planner.earlier.steps.iter().filter(|step| {
            step.creates.iter().any(|created| matches!(created, Resource::Path(path) if is_watched(path)))
        });
        steps.extend(changing.map(|step| step.id.to_string()));
    }
    steps.sort();
    steps.dedup();
    steps
}

/// The options of a program's step, as far as they are known without the node.
pub(super) fn options(role: Role, entry: &Entry<Program>) -> StepOptions {
    let program = &entry.value;
    let phase = match role {
        Role::Installer => Phase::Installers,
        Role::Hook => Phase::Hooks,
    };
    let mut options = StepOptions::new(entry, phase);
    let is_path = |text: &&String| text.starts_with('/') && !is_glob(text);
    options.creates.extend(program.proof.creates.iter().filter(is_path).map(|path| Resource::Path(path.into())));
    let commands = match &program.source {
        Source::Commands(commands) => commands.as_slice(),
        Source::File(_) | Source::Text(_) => &[],
    };
    let programs = commands.iter().chain(&program.interpreter).filter_map(|words| words.first());
    options.uses.extend(programs.filter(is_path).map(|path| Resource::Path(path.into())));
    if let Source::File(file) = &program.source {
        options.uses.extend(Some(&file.path).filter(is_path).map(|path| Resource::Path(path.into())));
    }
    options.uses.extend(program.working_directory.clone().map(Resource::Path));
    options.uses.extend(program.user.clone().map(Resource::User));
    options.uses.extend(program.watch.iter().filter(is_path).map(|path| Resource::Path(path.into())));
    options.lane = (role == Role::Hook).then_some(Lane::Hooks);
    options
}
