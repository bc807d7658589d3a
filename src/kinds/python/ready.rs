//! Whether the entries need work, without and with a lock.

use std::collections::BTreeMap;

use super::{
    node::Node,
    python_install::PythonInstall,
    requested::{PackageRequest, Request},
    requirements_file::mark,
    satisfied::Satisfied,
};
use crate::{
    diagnostic::Origin,
    digest::Digest,
    lock::{LockedDistribution, is_own},
    plan::Common,
    problem::Problem,
    profile::{
        Entry,
        requirements::{Named, Requirements},
    },
};

/// The locked distributions that are missing, by optional entry. `None` is the key of the required entries.
pub(super) type Lacking = BTreeMap<Option<String>, Vec<LockedDistribution>>;

/// The locked distributions that are missing; empty without a lock.
pub(super) fn lacking(common: &Common<'_>, node: &Node<'_>, requests: &[Request]) -> Lacking {
    let mut lacking = Lacking::new();
    if common.lock.is_none() {
        return lacking;
    }
    let is_installed = |locked: &LockedDistribution| {
        let found = node.env.distributions.get(&locked.name);
        found.is_some_and(|found| found.is_complete && found.version == locked.version)
    };
    for request in requests {
        let group = request.entry.optional.then(|| request.entry.value.name());
        let missing = common.locked_and_missing(
            |section| &section.python,
            |locked| &locked.only_for,
            group.as_deref(),
            is_installed,
        );
        lacking.insert(group, missing.unwrap_or_default());
    }
    lacking
}

/// Whether an entry needs no work.
pub(super) fn is_ready(common: &Common<'_>, node: &Node<'_>, lacking: &Lacking, request: &Request) -> bool {
    let group = request.entry.optional.then(|| request.entry.value.name());
    match lacking.get(&group) {
        None => is_installed(node, request, None),
        Some(lacking) => {
            let lacks = lacking.iter().any(|file| is_own(&file.only_for, group.as_deref()));
            !lacks && is_locked(common, node, request)
        }
    }
}

/// Whether an entry is satisfied if all locked distributions are installed. A wheel must be installed itself. For a
/// name, any distribution of that name is enough.
pub(super) fn is_locked(common: &Common<'_>, node: &Node<'_>, request: &Request) -> bool {
    if let PackageRequest::Wheel(file, _) = &request.entry.value {
        return is_installed(node, request, common.locked_asset(&file.file));
    }
    let satisfied = Satisfied::new(node.env, &node.markers, &[]);
    let mut named = request.requirements.named.iter().map(|named| &named.requirement);
    named.all(|wanted| !satisfied.counts(wanted) || node.env.distributions.contains_key(wanted.name.as_ref() as &str))
}

pub(super) fn is_installed(node: &Node<'_>, request: &Request, locked: Option<&Digest>) -> bool {
    let requirements = &request.requirements;
    let satisfied = Satisfied::new(node.env, &node.markers, &requirements.constraints);
    if !request.is_known {
        return false;
    }
    let has_deps = request.entry.value.has_deps();
    let PackageRequest::Wheel(wheel_file, wheel) = &request.entry.value else {
        let known = |text: &String| node.receipt.opaque.contains(&mark(text));
        return requirements.named.iter().all(|named| satisfied.is(&named.requirement, has_deps))
            && requirements.opaque.iter().all(|line| known(&line.text));
    };
    let wanted = format!("{}=={}", wheel.name, wheel.version).parse();
    let is_installed = wanted.is_ok_and(|wanted| satisfied.is(&wanted, has_deps));
    let same_bytes = locked
        .or(wheel_file.file.sha256.as_ref())
        .is_none_or(|wanted| node.receipt.wheels.get(&wheel.name).is_none_or(|known| known == wanted.hex()));
    is_installed && same_bytes
}

/// The problem of a distribution that is missing in the lock.
pub(super) fn uncovered(
    common: &Common<'_>,
    node: &Node<'_>,
    entries: &[Entry<PackageRequest>],
    missing: &[(String, Requirements, Origin)],
    install: &PythonInstall,
) -> Option<Problem> {
    let section = common.locked()?;
    let is_locked = |name: &str| {
        section.python.iter().any(|file| file.name == name) || install.wheels.iter().any(|wheel| wheel.name == name)
    };
    let of_group = missing.iter().filter(|(_, _, origin)| entries.iter().any(|entry| entry.origin == *origin));
    let named = of_group.flat_map(|(_, requirements, _)| &requirements.named);
    let name = not_covered(node, named, is_locked)?;
    Some(common.not_locked(&entries[0], &name))
}

/// The first distribution that is neither installed nor locked.
pub(super) fn not_covered<'a>(
    node: &Node<'_>,
    mut named: impl Iterator<Item = &'a Named>,
    is_locked: impl Fn(&str) -> bool,
) -> Option<String> {
    let satisfied = Satisfied::new(node.env, &node.markers, &[]);
    let found = named.find(|named| {
        let name: &str = named.requirement.name.as_ref();
        let is_there = node.env.distributions.contains_key(name) || is_locked(name);
        satisfied.counts(&named.requirement) && !is_there
    });
    found.map(|named| named.requirement.name.to_string())
}
