//! Plans files: one step for each file that differs.

use std::path::Path;

use super::checked::{File, Files};
use crate::{
    fs::Attributes,
    inventory::{Inventory, Snapshots},
    kinds::contract::{Asks, LookAt, Planning},
    lock::Runtime,
    plan::{Address, Common, Layer, Phase, Planner, Resource, StepOptions, TextFile, WriteFile},
    profile::Entry,
    state::Receipt,
};

/// Files that package tools read: they are written before packages are installed.
const OF_PACKAGE_TOOLS: [&str; 4] = ["/etc/apt", "/etc/pip.conf", "/etc/uv", "/etc/R/Rprofile.site"];

impl Planning for Files {
    type Look = Snapshots;
    type Action = WriteFile;

    fn look(&self, at: &LookAt<'_>) -> Snapshots {
        Snapshots::read(at.root, self.0.keys().cloned())
    }

    fn as_shipped(_: &mut Snapshots, _: &Receipt) {}

    fn runtime(_: &Snapshots, _: &mut Runtime) {}

    fn lacks(&self, _: &Snapshots, _: &Inventory) -> Option<String> {
        None
    }

    fn asks(&self, _: &Inventory, _: &mut Asks) {}

    fn addresses(&self, _: &Inventory) -> Vec<Address> {
        Vec::new()
    }

    fn outline(&self) -> Vec<StepOptions> {
        self.0.iter().map(|(path, entry)| options(path, entry)).collect()
    }

    fn plan(&self, look: &Snapshots, planner: &mut Planner<'_, WriteFile>) {
        for (path, entry) in &self.0 {
            let options = options(path, entry);
            let file = TextFile {
                id: format!("files:{}", path.display()),
                path: path.clone(),
                text: &entry.value.text,
                block: None,
                base: None,
                attributes: Attributes::mode(entry.value.mode.unwrap_or(0o644)),
                mode: entry.value.mode,
            };
            file.plan("files", look, planner, options);
        }
    }

    fn layer(&self, _: &Snapshots, _: &Common<'_>) -> Option<Result<Layer, String>> {
        None
    }
}

fn options(path: &Path, entry: &Entry<File>) -> StepOptions {
    StepOptions {
        creates: vec![Resource::Path(path.to_owned())],
        uses: vec![Resource::folder_of(path)],
        ..StepOptions::new(entry, phase(path))
    }
}

fn phase(path: &Path) -> Phase {
    let is_of_package_tool = OF_PACKAGE_TOOLS.iter().any(|folder| path.starts_with(folder));
    if is_of_package_tool { Phase::Configuration } else { Phase::Files }
}
