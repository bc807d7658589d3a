//! The actions of `[services]`.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{
    changes::{Changes, Run},
    checked::Service,
    files::{self, ServiceFile},
    look::InitSystem,
};
use crate::{fs::Attributes, inventory::below, plan::WriteFile, state::ServiceReceipt};

/// The action of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Brings a service to its state.
    Apply(Box<Apply>),
    /// Takes a service back that the profile no longer names.
    Remove(Box<RemovedService>),
}

/// The wanted state of a service on this node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DesiredService {
    /// The profile that defines it.
    pub profile: String,
    /// Its name.
    pub name: String,
    /// Its state.
    pub service: Service,
    /// The program that manages it.
    pub init: InitSystem,
    /// The files of the profile that its command names.
    pub command_files: Vec<PathBuf>,
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

impl DesiredService {
    /// The file that defines or extends it.
    pub(super) fn definition(&self) -> Option<ServiceFile> {
        files::definition(self.init, &self.name, &self.service)
    }

    /// The word for this file.
    pub(super) fn definition_word(&self) -> &'static str {
        match (self.init, &self.service.command) {
            (InitSystem::Systemd, Some(_)) => "unit",
            (InitSystem::Systemd, None) => "settings",
            (InitSystem::Scripts, _) => "init script",
        }
    }

    /// Whether it must start when the node starts. Init scripts cannot be masked, so a masked one is disabled.
    pub(super) fn enabled(&self) -> Option<bool> {
        match self.init {
            InitSystem::Systemd => self.service.enabled,
            InitSystem::Scripts => Some(self.service.enabled.unwrap_or(false)),
        }
    }

    pub(super) fn can_be_masked(&self) -> bool {
        self.init == InitSystem::Systemd
    }

    /// The keys that have no effect on this node.
    pub(super) fn without_effect(&self) -> Vec<&'static str> {
        if self.init == InitSystem::Systemd {
            return Vec::new();
        }
        let keys = [
            ("restart", self.service.restart.is_some()),
            ("settings", !self.service.settings.is_empty()),
            ("masked", self.service.masked),
        ];
        keys.into_iter().filter_map(|(key, is_set)| is_set.then_some(key)).collect()
    }

    /// The paths that a killed step may have left partial files beside.
    pub(super) fn paths(&self, root: &Path) -> Vec<String> {
        let definition = self.definition().map(|file| file.path);
        let all = definition.into_iter().chain(files::secret_file(&self.name, &self.service));
        all.map(|path| below(root, &path).display().to_string()).collect()
    }
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
            Self::Remove(removed) => format!("{}: take it back", removed.name),
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

/// The warning about a key without effect.
pub(super) fn without_effect(key: &str) -> String {
    format!("`{key}` has no effect: systemd is not process 1 of this node")
}
