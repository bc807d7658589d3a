//! The files that nodeagent writes for a service: the unit, drop-in or init script, and the file with its secrets.

use std::path::{Path, PathBuf};

use super::{
    checked::Service,
    init_script::{self, RUN_FOLDER},
    state::InitSystem,
    unit,
};
use crate::{
    problem::Problem,
    secrets::{
        Secret,
        file_formats::{Rendered, SecretFormat},
    },
};

/// The folder of units that the administrator writes.
pub(super) const UNITS: &str = "/etc/systemd/system";

/// A file without secrets that nodeagent writes for a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ServiceFile {
    /// Its absolute path on the node.
    pub path: PathBuf,
    /// Its text.
    pub text: String,
    /// Its permissions.
    pub mode: u32,
}

/// The file that defines or extends a service. `None` if the profile has nothing for it.
pub(super) fn definition(init: InitSystem, name: &str, service: &Service) -> Option<ServiceFile> {
    let secrets = secret_file(name, service).map(|path| path.display().to_string());
    let (path, text, mode) = match (init, &service.command) {
        (InitSystem::Systemd, Some(_)) => {
            let text = unit::unit(name, service, secrets.as_deref());
            (PathBuf::from(format!("{UNITS}/{name}.service")), text, 0o644)
        }
        (InitSystem::Systemd, None) => {
            let text = unit::drop_in(service, secrets.as_deref())?;
            (PathBuf::from(format!("{UNITS}/{name}.service.d/nodeagent.conf")), text, 0o644)
        }
        (InitSystem::Scripts, Some(_)) => {
            let text = init_script::script(name, service, secrets.as_deref());
            (PathBuf::from(format!("/etc/init.d/{name}")), text, 0o755)
        }
        (InitSystem::Scripts, None) => return None,
    };
    Some(ServiceFile { path, text, mode })
}

/// The file with the secrets of a service. `None` if it has none.
pub(super) fn secret_file(name: &str, service: &Service) -> Option<PathBuf> {
    service.secrets().next().map(|_| Path::new(RUN_FOLDER).join(format!("{name}.env")))
}

/// The content of the file with the secrets. `value` finds a secret; if one is missing, the result is `None`.
pub(super) fn secret_content<'v>(
    service: &Service,
    value: impl Fn(&crate::secrets::Address) -> Option<&'v Secret>,
) -> Result<Option<Rendered>, Problem> {
    let mut lines = Vec::new();
    for (name, secret) in service.secrets() {
        let Some(value) = secret.from.as_ref().and_then(&value) else { return Ok(None) };
        let line = SecretFormat::Variable(name.to_owned()).written(value.reveal()).map_err(|error| {
            Problem::new(format!("the secret `{}` cannot be a variable: {error}", secret.key))
                .hint("deliver it as a file with `[[secrets.items]]`, and let the program read the file".to_owned())
        })?;
        lines.push(line);
    }
    Ok(Some(Rendered::new(lines.iter().flat_map(|line| line.reveal().to_vec()).collect())))
}
