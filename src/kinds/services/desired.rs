//! The wanted state of a service on this node.

use std::path::{Path, PathBuf};

use super::{
    checked::Service,
    files::{self, ServiceFile},
    state::InitSystem,
};
use crate::inventory::below;

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

/// The warning about a key without effect.
pub(super) fn without_effect(key: &str) -> String {
    let effect = if key == "masked" { "only stops and disables the service" } else { "has no effect" };
    format!("`{key}` {effect}: systemd is not process 1 of this node")
}
