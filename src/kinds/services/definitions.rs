//! Writes the units, drop-ins and init scripts of all services of a run, so that systemd is reloaded once.

use std::{path::Path, sync::Arc};

use tokio::sync::Mutex;

use super::{
    desired::DesiredService, files::ServiceFile, look::ServiceLook, manager::Manager, remove::take_back, state::Enabled,
};
use crate::{
    digest::Digest,
    fs::{self, Attributes},
    inventory::below,
    problem::Problem,
    state::{Receipt, ServiceBefore},
    steps::Context,
};

/// The steps of a run write definitions one after another. The first one writes all of them, the others find them
/// written.
static ONE_AT_A_TIME: Mutex<()> = Mutex::const_new(());

/// Writes the definition of a service, and those of the other services of the run. Reloads systemd if it has not read
/// them.
pub(super) async fn define(ctx: &Context, wanted: &DesiredService, all: &[Arc<DesiredService>]) -> Result<(), Problem> {
    let _one_at_a_time = ONE_AT_A_TIME.lock().await;
    let manager = Manager { ctx, init: wanted.init };
    let mut changed = define_one(manager, wanted).await?;
    for other in all.iter().filter(|other| other.name != wanted.name) {
        // The step of the other service tries again and reports the failure.
        changed |= define_one(manager, other).await.unwrap_or(false);
    }
    if changed || manager.is_stale(&wanted.name).await {
        manager.reload().await?;
    }
    Ok(())
}

/// Writes one definition. Returns whether it changed.
async fn define_one(manager: Manager<'_>, wanted: &DesiredService) -> Result<bool, Problem> {
    let ctx = manager.ctx;
    let receipt = Receipt::read(&ctx.root);
    let record = receipt.service(&wanted.profile, &wanted.name);
    let look = ServiceLook::read(&ctx.root, wanted.init, &wanted.name, &wanted.service, record)?;
    let others = look.definition.defined_by_others(record.is_some());
    if let Some(unit) = others.filter(|_| wanted.service.command.is_some()) {
        let message =
            format!("`{}` has a `command`, but `{}` already defines this service", wanted.name, unit.display());
        return Err(
            Problem::new(message).hint("leave `command` out, and change the service with `settings`".to_owned())
        );
    }
    note(ctx, wanted, &look)?;
    let mut changed = false;
    if wanted.can_be_masked() && look.definition.masked != wanted.service.masked {
        manager.set_masked(&wanted.name, wanted.service.masked).await?;
        changed = true;
    }
    if let Some(file) = wanted.definition() {
        changed |= write(ctx, &file)?;
    }
    for path in &look.stale {
        let digest = record.and_then(|record| record.files.get(path)?.as_deref());
        changed |= take_back(ctx, path, digest)?;
        Receipt::update(&ctx.root, |receipt| {
            receipt.change_service(&wanted.profile, &wanted.name, |record| drop(record.files.remove(path)));
        })?;
    }
    Ok(changed)
}

/// Records a service before it is changed: its previous state, and the files that nodeagent writes.
fn note(ctx: &Context, wanted: &DesiredService, look: &ServiceLook) -> Result<(), Problem> {
    let file = wanted.definition();
    let secrets = super::files::secret_file(&wanted.name, &wanted.service);
    let before = ServiceBefore {
        running: look.definition.running.is_some(),
        enabled: look.definition.enabled == Enabled::Yes,
        masked: look.definition.masked,
    };
    Ok(Receipt::update(&ctx.root, |receipt| {
        let is_new = receipt.service(&wanted.profile, &wanted.name).is_none();
        receipt.change_service(&wanted.profile, &wanted.name, |record| {
            if is_new && wanted.service.command.is_none() {
                record.before = Some(before);
            }
            let digest = |file: &ServiceFile| Some(Digest::sha256(file.text.as_bytes()).to_string());
            record.files.extend(file.iter().map(|file| (file.path.clone(), digest(file))));
            record.files.extend(secrets.iter().map(|path| (path.clone(), None)));
        });
    })?)
}

/// Writes a definition if it differs. A link in its place is removed: a file must not be written to the link's target.
fn write(ctx: &Context, file: &ServiceFile) -> Result<bool, Problem> {
    let path = below(&ctx.root, &file.path);
    if path.is_symlink() {
        fs::remove(&path)?;
    }
    if is_written(&path, file)? {
        return Ok(false);
    }
    fs::replace(&path, file.text.as_bytes(), Attributes::mode(file.mode))?;
    if is_written(&path, file)? {
        return Ok(true);
    }
    Err(Problem::new(format!("`{}` does not have the written content", file.path.display())))
}

fn is_written(path: &Path, file: &ServiceFile) -> Result<bool, Problem> {
    let found = fs::read(path)?;
    Ok(found.is_some_and(|found| found.bytes.as_deref() == Some(file.text.as_bytes()) && found.mode == file.mode))
}
