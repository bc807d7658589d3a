//! Plans apt: sources that differ, packages and debs that are missing.

use std::path::Path;

use super::{
    action::{Action, AptInstall},
    checked::{Apt, AptPackage, AptSource},
    deb_control::DebControl,
    plan_removal,
    plan_sources::{AddedSources, differing_sources},
    source_files::{key_file, source_file},
};
use crate::{
    facts::Dpkg,
    inventory::{Inventory, Snapshots},
    kinds::contract::{Asks, LookAt, Planning},
    lock::{LockedDeb, Runtime, bare, is_own},
    plan::{Address, Asked, Common, Group, Lane, Layer, Phase, Planner, Resource, StepOptions, cached_asset},
    problem::Problem,
    profile::{Asset, AssetRef, Entry, Section as _},
    state::Receipt,
};

/// One entry: a package by name, or a file.
#[derive(Debug, Clone)]
enum PackageRequest {
    Package(AptPackage),
    Deb(AssetRef),
}

/// The state of the node.
#[derive(Debug)]
pub struct Look {
    /// The files of sources and keys.
    files: Snapshots,
    /// The packages that the runtime shipped, if they are needed and known.
    shipped: Option<Dpkg>,
}

impl Planning for Apt {
    type Look = Look;
    type Action = Action;

    fn look(&self, at: &LookAt<'_>) -> Look {
        let files = |entry: &Entry<AptSource>| {
            let name = &entry.value.name;
            [key_file(name), source_file(name)]
        };
        let files = Snapshots::read(at.root, self.sources.iter().flat_map(files));
        Look { files, shipped: plan_removal::shipped(self, at.root) }
    }

    fn as_shipped(_: &mut Look, _: &Receipt) {}

    fn runtime(_: &Look, _: &mut Runtime) {}

    fn lacks(&self, _: &Look, inventory: &Inventory) -> Option<String> {
        let is_used = !(self.packages.is_empty() && self.debs.is_empty());
        (is_used && inventory.dpkg.installed_version("dpkg").is_none())
            .then(|| "the profile asks for apt packages, and dpkg is not here".to_owned())
    }

    fn asks(&self, _: &Inventory, asks: &mut Asks) {
        for entry in &self.packages {
            asks.add("apt", &entry.value.pinned(), entry.optional);
        }
        for entry in &self.debs {
            asks.add("deb", &entry.value.path, entry.optional);
        }
        for source in &self.sources {
            let source = &source.value;
            let uris: Vec<String> = source
                .uris
                .iter()
                .map(|uri| uri.parse().map_or_else(|_| uri.clone(), |uri| bare(&uri).to_string()))
                .collect();
            let words = [&uris, &source.suites, &source.components, &source.architectures].map(|words| words.join(" "));
            let fingerprints: Vec<&str> = source.fingerprints.iter().map(String::as_str).collect();
            asks.add("apt source", &format!("{} {}", words.join(" ").trim_end(), fingerprints.join(" ")), false);
        }
        if self.recommends.as_ref().is_some_and(|setting| setting.value) {
            asks.add("apt", "with recommended packages", false);
        }
    }

    fn addresses(&self, _: &Inventory) -> Vec<Address> {
        let uris = self.sources.iter().flat_map(|source| &source.value.uris);
        uris.filter_map(|uri| uri.parse().ok()).map(|url| Address::plain(Self::KEYS[0], url)).collect()
    }

    fn outline(&self) -> Vec<StepOptions> {
        let sources = self.sources.iter().map(|entry| StepOptions {
            creates: vec![Resource::Path(source_file(&entry.value.name))],
            ..StepOptions::for_origins(vec![entry.origin.clone()], "apt.sources".to_owned(), Phase::Sources)
        });
        let origins = self.packages.iter().map(|entry| &entry.origin).chain(self.debs.iter().map(|deb| &deb.origin));
        let origins: Vec<_> = origins.cloned().collect();
        let packages =
            (!origins.is_empty()).then(|| StepOptions::for_origins(origins, "apt".to_owned(), Phase::Packages));
        sources.chain(packages).chain(plan_removal::outline(self)).collect()
    }

    fn plan(&self, look: &Look, planner: &mut Planner<'_, Action>) {
        plan_removal::plan(self, look.shipped.as_ref(), planner);
        let added = differing_sources(self, &look.files, planner);
        let common = planner.common;
        let packages = self.packages.iter().map(|entry| {
            let label = installed(common, &entry.value).map(|version| format!("{} {version}", entry.value.name));
            (entry.with(PackageRequest::Package(entry.value.clone())), label)
        });
        let debs = self
            .debs
            .iter()
            .map(|entry| (entry.with(PackageRequest::Deb(entry.value.clone())), installed_deb(common, &entry.value)));
        let asked = packages.chain(debs).map(|(entry, label)| {
            let name = name(&entry.value).to_owned();
            // The installed version may differ from the locked one, or a package that came with it may be missing.
            let of = entry.optional.then_some(name.as_str());
            let differs =
                locked_debs(common, of).is_some_and(|missing| missing.iter().any(|deb| is_own(&deb.only_for, of)));
            Asked { ready: label.filter(|_| !differs), entry, name }
        });
        let asked: Vec<Asked<PackageRequest>> = asked.collect();
        let groups = planner.groups("apt", Phase::Packages, &Lane::Apt, asked);
        // A required installation fetches the lists of all sources.
        let fetch_lists = planner.common.lock.is_none() && groups.iter().all(|group| group.optional.is_some());
        let added = added.map(|differing| differing.plan(fetch_lists, planner));
        let has_required = groups.iter().any(|group| group.optional.is_none());
        for group in groups {
            let comes_later = has_required && group.optional.is_some();
            plan_group(self, added.as_ref(), comes_later, group, planner);
        }
    }

    fn layer(&self, _: &Look, _: &Common<'_>) -> Option<Result<Layer, String>> {
        None
    }
}

fn plan_group(
    apt: &Apt,
    added: Option<&AddedSources>,
    comes_later: bool,
    group: Group<PackageRequest>,
    planner: &mut Planner<'_, Action>,
) {
    let Group { entries, optional, id, mut options } = group;
    options.logins = planner.logins();
    let (mut packages, mut debs) = (Vec::new(), Vec::new());
    for entry in &entries {
        match &entry.value {
            PackageRequest::Package(package) => packages.push(package.clone()),
            PackageRequest::Deb(deb) => debs.extend(planner.common.usable(deb, &entry.origin, &mut options.stage)),
        }
    }
    if packages.is_empty() && debs.is_empty() {
        return; // its file is among the missing
    }
    // The packages may be resolved before the step of the sources acts.
    options.stage.extend(added.iter().flat_map(|added| added.stage.iter().cloned()));
    options.creates.extend(packages.iter().map(|package| Resource::Package(package.name.clone())));
    let locked = locked_debs(planner.common, optional.as_deref());
    let uncovered = locked.as_ref().and_then(|locked| uncovered(planner.common, &entries, locked));
    let install = AptInstall {
        packages,
        debs,
        debconf: apt.debconf.iter().map(|answer| answer.value.clone()).collect(),
        recommends: apt.recommends.as_ref().is_some_and(|setting| setting.value),
        wait_for_disk: apt.wait_for_disk.as_ref().is_some_and(|setting| setting.value),
        added: added.map(|added| added.sources.clone()),
        comes_later,
        locked,
    };
    planner.step_of_group(id, Action::Install(install), options, uncovered);
}

/// The locked packages of a group that are not installed as locked. `None` without a lock.
fn locked_debs(common: &Common<'_>, group: Option<&str>) -> Option<Vec<LockedDeb>> {
    let is_installed = |deb: &LockedDeb| {
        let name = if deb.arch == "all" { deb.name.clone() } else { format!("{}:{}", deb.name, deb.arch) };
        common.inventory.dpkg.installed_version(&name) == Some(deb.version.as_str())
    };
    common.locked_and_missing(|section| &section.apt, |deb| &deb.only_for, group, is_installed)
}

/// The problem of a package that is missing in the lock.
fn uncovered(common: &Common<'_>, entries: &[Entry<PackageRequest>], locked: &[LockedDeb]) -> Option<Problem> {
    let section = common.locked()?;
    let missing = entries.iter().find(|entry| {
        let PackageRequest::Package(package) = &entry.value else { return false };
        let is_named = section.apt.iter().any(|deb| deb.name == package.name || deb.only_for.contains(&package.name));
        // A virtual package is looked for after the packages that provide it are installed.
        let may_be_provided = !entry.optional && !locked.is_empty();
        installed(common, package).is_none() && !is_named && !may_be_provided
    })?;
    Some(common.not_locked(missing, name(&missing.value)))
}

/// The version of a package that satisfies the request.
fn installed(common: &Common<'_>, package: &AptPackage) -> Option<String> {
    let dpkg = &common.inventory.dpkg;
    match (dpkg.installed_version(&package.name), &package.version) {
        (Some(installed), Some(pinned)) => (installed == pinned).then(|| installed.to_owned()),
        (Some(installed), None) => Some(installed.to_owned()),
        (None, Some(_)) => None,
        (None, None) => dpkg.provides(&package.name).then(|| "(provided)".to_owned()),
    }
}

/// Name and version of an installed deb: by its file name, which may contain both (`name_version_arch.deb`), or else by
/// the content of the file.
fn installed_deb(common: &Common<'_>, deb: &AssetRef) -> Option<String> {
    let dpkg = &common.inventory.dpkg;
    installed_by_name(dpkg, deb).or_else(|| {
        let found = common.inventory.asset(deb)?;
        // A file with a digest is read only after it was compared: its verified copy.
        let control = match (common.locked_asset(deb).or(found.digest.as_ref()), &found.asset) {
            (Some(digest), _) => DebControl::read(&cached_asset(common.cache, digest, deb)),
            (None, Asset::File { path, .. }) => DebControl::read(path),
            (None, Asset::Address(_) | Asset::BuiltIn { .. } | Asset::Created(_)) => return None,
        };
        // The step reports a file that is no package.
        let control = control.ok().filter(|control| control.is_installed(dpkg))?;
        Some(format!("{} {}", control.package, control.version))
    })
}

fn installed_by_name(dpkg: &Dpkg, deb: &AssetRef) -> Option<String> {
    let stem = Path::new(&deb.path).file_name()?.to_str()?.strip_suffix(".deb")?;
    let mut parts = stem.splitn(3, '_');
    let (name, version) = (parts.next()?, parts.next()?.replace("%3a", ":"));
    let installed = dpkg.installed_version(name)?;
    // File names leave the epoch out.
    let same = installed == version || installed.split_once(':').is_some_and(|(_, rest)| rest == version);
    same.then(|| format!("{name} {installed}"))
}

fn name(wanted: &PackageRequest) -> &str {
    match wanted {
        PackageRequest::Package(package) => &package.name,
        PackageRequest::Deb(deb) => &deb.path,
    }
}
