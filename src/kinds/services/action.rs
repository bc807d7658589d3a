//! The actions of `[services]`.

use std::{path::PathBuf, sync::Arc};

use super::{
    changes::{Changes, Run},
    desired::{DesiredService, without_effect},
    files,
    state::InitSystem,
};
use crate::{fs::Attributes, inventory::below, plan::WriteFile, state::ServiceReceipt};

/// The action of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Brings a service to its state.
    Apply(Box<Apply>),
    /// Removes a service that the profile no longer names, or restores its previous state.
    Remove(Box<RemovedService>),
}

/// Brings a service to its state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Apply {
    /// The service.
    pub wanted: Arc<DesiredService>,
    /// All services of the run. The first step writes all definitions, so that systemd is reloaded once.
    pub all: Vec<Arc<DesiredService>>,
    /// The known changes.
    pub changes: Changes,
    /// The steps whose changes may cause a restart.
    pub after_changes: Vec<String>,
    /// The present definition, for the diff.
    pub before: Option<Vec<u8>>,
    /// The root of the node.
    pub root: PathBuf,
}

/// A service that the profile no longer names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemovedService {
    /// The profile that defined it.
    pub profile: String,
    /// Its name.
    pub name: String,
    /// The program that manages it.
    pub init: InitSystem,
    /// The record of earlier runs.
    pub record: ServiceReceipt,
}

impl Action {
    /// The work in one line.
    pub(super) fn title(&self) -> String {
        match self {
            Self::Apply(apply) => {
                let mut words = apply.changes.in_words(apply.wanted.definition_word());
                if words.is_empty() {
                    words = vec!["restart if something changed".to_owned()];
                }
                format!("{}: {}", apply.wanted.name, words.join(", "))
            }
            Self::Remove(removed) => format!("{}: remove", removed.name),
        }
    }

    /// The commands and the difference to the present definition.
    pub(super) fn describe(&self) -> Vec<String> {
        match self {
            Self::Apply(apply) => apply.describe(),
            Self::Remove(removed) => {
                let files = removed.record.files.keys().map(|path| format!("remove {}", path.display()));
                std::iter::once("the profile no longer names this service".to_owned()).chain(files).collect()
            }
        }
    }
}

impl Apply {
    fn describe(&self) -> Vec<String> {
        let (wanted, changes) = (&self.wanted, &self.changes);
        let mut lines = Vec::new();
        if let Some(file) = wanted.definition().filter(|_| changes.define) {
            let write = WriteFile {
                path: below(&self.root, &file.path),
                bytes: file.text.into_bytes(),
                before: self.before.clone(),
                attributes: Attributes::mode(file.mode),
                item: None,
            };
            lines.extend(write.describe());
        }
        if let Some(path) = files::secret_file(&wanted.name, &wanted.service).filter(|_| changes.write_secrets) {
            let keys: Vec<&str> = wanted.service.secrets().map(|(_, secret)| secret.key.as_str()).collect();
            lines.push(format!("write {} with the secrets {}", path.display(), keys.join(", ")));
        }
        lines.extend(changes.mask.map(|on| self.command(if on { "mask" } else { "unmask" })));
        lines.extend(changes.enable.map(|on| self.command(if on { "enable" } else { "disable" })));
        lines.extend(changes.run.as_ref().map(|run| match run {
            Run::Start => self.command("start"),
            Run::Stop => self.command("stop"),
            Run::Restart(reasons) => format!("{}: {}", self.command("restart"), reasons.join(", ")),
        }));
        lines.extend(self.after_changes.iter().map(|step| format!("restarts if the step `{step}` changes something")));
        lines.extend(wanted.service.health.as_ref().map(|health| format!("wait for {}", health.check)));
        lines.extend(wanted.without_effect().iter().map(|key| without_effect(key)));
        lines
    }

    fn command(&self, verb: &str) -> String {
        match (self.wanted.init, verb) {
            (InitSystem::Systemd, _) => format!("systemctl {verb} {}.service", self.wanted.name),
            (InitSystem::Scripts, "enable" | "disable") => format!("update-rc.d {} {verb}", self.wanted.name),
            (InitSystem::Scripts, _) => format!("/etc/init.d/{} {verb}", self.wanted.name),
        }
    }
}
