//! Prints `[pip.venvs]` for `check --show`, and checks it against the rest of the profile.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use super::checked::Venv;
use crate::{
    kinds::python::{package::Package, requirements_file::requirements_asset},
    problem::Problem,
    profile::{Entry, NamedAsset, Page, asset, key, quoted},
};

/// Merges the environments of a profile into those of the profile that it extends.
pub(in crate::kinds::python) fn merge(
    parent: BTreeMap<PathBuf, Entry<Venv>>,
    child: BTreeMap<PathBuf, Entry<Venv>>,
) -> BTreeMap<PathBuf, Entry<Venv>> {
    let mut all = parent;
    for (folder, mut entry) in child {
        if let Some(replaced) = all.remove(&folder) {
            entry.order.inherit_names(&replaced.order);
        }
        all.insert(folder, entry);
    }
    all
}

/// The requirements files.
pub(in crate::kinds::python) fn assets(venvs: &BTreeMap<PathBuf, Entry<Venv>>) -> impl Iterator<Item = NamedAsset<'_>> {
    let files = venvs.values().flat_map(|venv| venv.value.requirements.iter().map(|file| (file, venv.optional)));
    files.map(|(file, optional)| requirements_asset(file, optional))
}

/// Prints the environments.
pub(in crate::kinds::python) fn show(venvs: &BTreeMap<PathBuf, Entry<Venv>>, page: &mut Page) {
    if !venvs.is_empty() {
        page.section("pip.venvs");
    }
    for (folder, entry) in venvs {
        page.value(&key(&folder.display().to_string()), &shown(&entry.value), &entry.origin);
    }
}

/// The problems of environments that are, or contain, the environment of `[pip]`.
pub(in crate::kinds::python) fn of_pip<'a>(
    venvs: &'a BTreeMap<PathBuf, Entry<Venv>>,
    main: &'a Path,
) -> impl Iterator<Item = Problem> {
    venvs.iter().filter(|(folder, _)| main.starts_with(folder)).map(|(folder, entry)| {
        let message = format!("`{}` contains the environment of `[pip]`", folder.display());
        let hint = "choose another folder, or list the packages under `packages` in `[pip]`";
        Problem::new(message).hint(hint.to_owned()).asked_at(entry.origin.clone())
    })
}

fn shown(venv: &Venv) -> String {
    let list = |items: Vec<String>| format!("[{}]", items.join(", "));
    let mut parts = Vec::new();
    if !venv.packages.is_empty() {
        let packages = venv.packages.iter().map(|entry| Package::shown(&entry.value)).collect();
        parts.push(format!("packages = {}", list(packages)));
    }
    if !venv.requirements.is_empty() {
        parts.push(format!(
            "requirements = {}",
            list(venv.requirements.iter().map(|file| asset(&file.value)).collect())
        ));
    }
    parts.extend(venv.python.as_ref().map(|python| format!("python = {}", quoted(&python.value.label()))));
    if parts.is_empty() { "{}".to_owned() } else { format!("{{ {} }}", parts.join(", ")) }
}
