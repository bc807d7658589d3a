//! Plans jars: one step for all required entries, and one for each optional entry.

use std::{collections::BTreeSet, path::Path};

use super::{
    action::{JarInstall, JarSource, Place, PlannedJar},
    checked::{Jar, JarFile},
    look::{FolderLook, JarLook},
};
use crate::{
    digest::Digest,
    inventory::Inventory,
    kinds::{
        contract::{LookAt, Planning},
        no_packages::plans_no_packages,
    },
    plan::{Address, Asked, Common, Group, Lane, Phase, Planner, Resource, StepOptions},
    problem::Problem,
    profile::{Asset, Entry},
    state::{Item, WHOLE},
};

impl Planning for Jar {
    type Look = JarLook;
    type Action = JarInstall;

    fn look(&self, at: &LookAt<'_>) -> JarLook {
        JarLook::read(self, at)
    }

    plans_no_packages!();

    fn addresses(&self, _: &Inventory) -> Vec<Address> {
        Vec::new()
    }

    fn outline(&self) -> Vec<StepOptions> {
        let origins: Vec<_> = self.files.iter().map(|entry| entry.origin.clone()).collect();
        let options = |origins| StepOptions::for_origins(origins, "jar".to_owned(), Phase::Files);
        (!origins.is_empty()).then(|| options(origins)).into_iter().collect()
    }

    fn plan(&self, look: &JarLook, planner: &mut Planner<'_, JarInstall>) {
        let Some(first) = self.files.first() else { return };
        if look.0.is_empty() {
            let hint = "name the folders of the class path with `to` in `[jar]`".to_owned();
            return planner.refuse(&first.origin, "this node has no folder with the jars of Spark", hint);
        }
        for folder in look.0.iter().filter(|folder| !folder.exists) {
            if planner.earlier.writer_of(&folder.path.join("x")).is_none() {
                let origin = self.to.iter().find(|to| to.value == folder.path).map_or(&first.origin, |to| &to.origin);
                let hint =
                    "name an existing folder: Spark reads its jars from the folders of its class path".to_owned();
                planner.refuse(origin, format!("there is no folder `{}`", folder.path.display()), hint);
            }
        }
        let found = self.files.iter().filter(|entry| planner.common.inventory.asset(&entry.value.asset).is_some());
        let own: BTreeSet<&str> = self.files.iter().map(|entry| entry.value.name()).collect();
        let mut asked = Vec::new();
        for entry in found {
            let wanted = PlannedEntry { entry, own: &own, common: planner.common };
            let label = entry.value.label();
            let is_ready = look.0.iter().all(|folder| wanted.is_ready(folder));
            asked.push(Asked { entry: entry.clone(), ready: is_ready.then(|| label.clone()), name: label });
        }
        self.record(look, &own, planner);
        for group in planner.groups("jar", Phase::Files, &Lane::Jars, asked) {
            plan_group(look, &own, group, planner);
        }
    }
}

impl Jar {
    /// Records every path that the entries make or remove, so that nothing of it is taken back.
    fn record(&self, look: &JarLook, own: &BTreeSet<&str>, planner: &mut Planner<'_, JarInstall>) {
        for entry in &self.files {
            for folder in &look.0 {
                let file = folder.path.join(entry.value.name());
                planner.writes(&file, &entry.origin);
                planner.makes(&file, WHOLE.to_owned(), &[]);
                let wanted = PlannedEntry { entry, own, common: planner.common };
                for old in wanted.replaced_before(folder).into_iter().chain(wanted.replaced_now(folder)) {
                    planner.makes(&folder.path.join(old), WHOLE.to_owned(), &[]);
                }
            }
        }
    }
}

/// An entry that is being planned.
struct PlannedEntry<'p> {
    entry: &'p Entry<JarFile>,
    /// The names of all jars of the profile.
    own: &'p BTreeSet<&'p str>,
    common: &'p Common<'p>,
}

impl PlannedEntry<'_> {
    /// Whether a folder has the jar, and no jar that it replaces.
    fn is_ready(&self, folder: &FolderLook) -> bool {
        self.is_in_place(folder) && self.replaced_now(folder).is_empty() && self.unmatched(folder).is_none()
    }

    fn is_in_place(&self, folder: &FolderLook) -> bool {
        let jar = &self.entry.value;
        let Some(found) = folder.jars.get(jar.name()) else { return false };
        match self.digest() {
            Some(wanted) => found.digest.as_ref() == Some(&wanted),
            // Without a digest, the record has the coordinates that the jar was fetched by.
            None => found.record.as_ref().is_some_and(|record| record.from == jar.label()),
        }
    }

    /// The digest that the jar must have: of the lock, of the profile, or of the file in the file store.
    fn digest(&self) -> Option<Digest> {
        let asset = &self.entry.value.asset;
        if let Some(locked) = self.common.locked_asset(asset) {
            return Some(locked.clone());
        }
        let found = self.common.inventory.asset(asset)?;
        found.digest.clone().or_else(|| match &found.asset {
            Asset::File { path, .. } => Digest::sha256_of_file(path).ok(),
            Asset::BuiltIn { bytes, .. } => Some(Digest::sha256(bytes)),
            Asset::Address(_) | Asset::Created(_) => None,
        })
    }

    /// The jars in a folder that the entry replaces.
    fn replaced_now(&self, folder: &FolderLook) -> Vec<String> {
        let replaces = self.entry.value.replaces.as_deref();
        replaces.map(|glob| folder.replaced(glob, self.own)).unwrap_or_default()
    }

    /// The jars of a folder that earlier runs removed for the entry.
    fn replaced_before(&self, folder: &FolderLook) -> Vec<String> {
        let pattern = self.entry.value.replaces.as_deref().and_then(|glob| glob::Pattern::new(glob).ok());
        let Some(pattern) = pattern else { return Vec::new() };
        let items = self.common.inventory.receipt.items.get(self.common.profile);
        let removed = items.into_iter().flatten().filter_map(|(path, parts)| {
            let is_removed = matches!(parts.get(WHOLE), Some(Item::Removed { .. }));
            let name = path.file_name()?.to_str()?;
            let is_here = path.parent() == Some(folder.path.as_path()) && pattern.matches(name);
            (is_removed && is_here).then(|| name.to_owned())
        });
        removed.collect()
    }

    /// The problem of a `replaces` that matches no jar and never did.
    fn unmatched(&self, folder: &FolderLook) -> Option<Problem> {
        let glob = self.entry.value.replaces.as_deref()?;
        let is_matched = !self.replaced_now(folder).is_empty() || !self.replaced_before(folder).is_empty();
        if is_matched || !folder.exists {
            return None;
        }
        let message = format!("no jar in `{}` matches `{glob}`", folder.path.display());
        let hint = "list the jars of this runtime, and correct `replaces`: the old jar would stay on the class path";
        Some(Problem::new(message).hint(hint.to_owned()).asked_at(self.entry.origin.clone()))
    }

    /// The work of the entry.
    fn jar(&self, look: &JarLook, options: &mut StepOptions) -> Option<PlannedJar> {
        let jar = &self.entry.value;
        let open = look.0.iter().filter(|folder| !self.is_ready(folder));
        let places = open.map(|folder| Place {
            file: folder.path.join(jar.name()),
            replaces: self.replaced_now(folder).iter().map(|old| folder.path.join(old)).collect(),
        });
        let places: Vec<Place> = places.collect();
        let source = if self.digest().is_some() || jar.maven.is_none() {
            JarSource::File(self.common.usable(&jar.asset, &self.entry.origin, &mut options.stage)?)
        } else {
            // Each version has its own address.
            let folder = Digest::sha256(jar.asset.path.as_bytes());
            let to = self.common.cache.join("assets").join(folder.hex()).join(jar.asset.file_name());
            JarSource::Maven { urls: jar.asset.urls.clone(), to }
        };
        options.creates.extend(places.iter().map(|place| Resource::Path(place.file.clone())));
        options.uses.extend(look.0.iter().map(|folder| Resource::Path(folder.path.clone())));
        Some(PlannedJar { label: jar.label(), source, places })
    }
}

fn plan_group(look: &JarLook, own: &BTreeSet<&str>, group: Group<JarFile>, planner: &mut Planner<'_, JarInstall>) {
    let Group { entries, id, mut options, .. } = group;
    options.logins = planner.logins();
    let common = planner.common;
    let mut jars = Vec::new();
    let mut unmatched = Vec::new();
    for entry in &entries {
        let wanted = PlannedEntry { entry, own, common };
        unmatched.extend(look.0.iter().filter_map(|folder| wanted.unmatched(folder)));
        jars.extend(wanted.jar(look, &mut options));
    }
    let root = Path::new(&common.inventory.root).to_owned();
    let action = JarInstall { jars, profile: common.profile.to_owned(), root };
    let mut unmatched = unmatched.into_iter();
    planner.step_of_group(id, action, options, unmatched.next());
}
