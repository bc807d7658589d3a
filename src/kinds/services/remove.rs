//! Takes back a service that the profile no longer names: its files are removed, and its previous state is restored.

use super::{
    action::RemovedService,
    init_script::pid_file,
    init_script_look,
    manager::Manager,
    state::{Enabled, InitSystem},
    systemd_look,
};
use crate::{digest::Digest, fs, inventory::below, problem::Problem, state::Receipt, steps::Context};

pub(super) async fn remove(ctx: &Context, removed: &RemovedService) -> Result<(), Problem> {
    let (name, manager) = (&removed.name, Manager { ctx, init: removed.init });
    let look = || match removed.init {
        InitSystem::Systemd => systemd_look::read(&ctx.root, name),
        InitSystem::Scripts => init_script_look::read(&ctx.root, name),
    };
    let is_ours = removed.record.before.is_none();
    let found = look();
    if is_ours && found.foreign.is_none() && found.exists {
        if found.running.is_some() {
            manager.control(name, "stop").await?;
        }
        manager.remove_links(name).await?;
    }
    let mut is_changed = false;
    for (file, digest) in &removed.record.files {
        is_changed |= take_back(ctx, file, digest.as_deref())?;
    }
    if is_ours && removed.init == InitSystem::Scripts {
        fs::remove(&ctx.on_node(&pid_file(name)))?;
    }
    if let Some(before) = removed.record.before {
        if removed.init == InitSystem::Systemd && found.masked != before.masked {
            manager.set_masked(name, before.masked).await?;
            is_changed = true;
        }
        if is_changed {
            manager.reload().await?;
        }
        let now = look();
        if now.exists && !before.masked && now.enabled != Enabled::Partly && !now.enabled.matches(before.enabled) {
            manager.set_enabled(name, before.enabled).await?;
        }
        let verb = match (now.running.is_some(), before.running) {
            (true, false) => Some("stop"),
            (false, true) => Some("start"),
            // It must not keep the settings that were removed.
            (true, true) if is_changed => Some("restart"),
            _ => None,
        };
        if let Some(verb) = verb.filter(|_| now.exists) {
            manager.control(name, verb).await?;
        }
    } else if is_changed {
        manager.reload().await?;
    }
    Ok(Receipt::update(&ctx.root, |receipt| receipt.forget_service(&removed.profile, name))?)
}

/// Removes a file that nodeagent wrote. A file that was changed since then stays, with a warning. Returns whether it
/// was removed.
pub(super) fn take_back(ctx: &Context, file: &std::path::Path, digest: Option<&str>) -> Result<bool, Problem> {
    let path = below(&ctx.root, file);
    let Some(found) = fs::read(&path)? else { return Ok(false) };
    let is_as_written = digest
        .is_none_or(|digest| found.bytes.as_deref().is_some_and(|bytes| Digest::sha256(bytes).to_string() == digest));
    if !is_as_written {
        let message = format!("`{}` was changed since nodeagent wrote it, so it was not removed", file.display());
        ctx.progress.warn(message);
        return Ok(false);
    }
    fs::remove(&path)?;
    Ok(true)
}
