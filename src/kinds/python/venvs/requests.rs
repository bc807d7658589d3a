//! The requests of the virtual environments that a lock answers.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use super::{checked::Venv, look::VenvLook};
use crate::{
    inventory::Inventory,
    kinds::{contract::Asks, python::requirements_file::with_digest_of_lines},
    profile::Entry,
};

/// Adds the requests. Each line names the folder of its environment.
pub(in crate::kinds::python) fn add_asks(
    venvs: &BTreeMap<PathBuf, Entry<Venv>>,
    inventory: &Inventory,
    asks: &mut Asks,
) {
    for (folder, entry) in venvs {
        let venv = &entry.value;
        let tool = format!("pip venv {}", folder.display());
        for package in &venv.packages {
            let without = if package.value.deps { "" } else { " without dependencies" };
            asks.add(&format!("{tool}{without}"), &package.value.text, entry.optional);
        }
        for file in &venv.requirements {
            asks.add(&tool, &with_digest_of_lines(inventory, file), entry.optional);
            if !file.value.urls.is_empty() {
                // The lock finds the digest of the file by this line.
                asks.add("venv", &file.value.path, entry.optional);
            }
        }
        if let Some(python) = venv.python.as_ref().filter(|_| venv.has_packages()) {
            asks.add(&format!("{tool} with python"), &python.value.label(), entry.optional);
        }
    }
}

/// The reason why the packages of an environment cannot be locked on this node.
pub(in crate::kinds::python) fn lacks(
    venvs: &BTreeMap<PathBuf, Entry<Venv>>,
    main: &Path,
    looks: &BTreeMap<PathBuf, VenvLook>,
) -> Option<String> {
    venvs.iter().find_map(|(folder, entry)| {
        let has_base = looks.get(folder).is_some_and(|look| look.base.is_some());
        let is_lacking = !has_base && !entry.optional && entry.value.has_packages();
        is_lacking.then(|| entry.value.search(main).missing())
    })
}
