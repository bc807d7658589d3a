//! Plans the removal of packages that must not be installed.

use std::{collections::BTreeSet, path::Path};

use super::{
    action::{Action, AptRemoval},
    checked::Apt,
};
use crate::{
    diagnostic::Origin,
    facts::Dpkg,
    plan::{Asked, Lane, Phase, Planner, StepOptions},
    state,
};

/// The packages that the runtime shipped, if packages are to be removed. `None` before the first change: all installed
/// packages then count as shipped.
pub(super) fn shipped(apt: &Apt, root: &Path) -> Option<Dpkg> {
    if apt.absent.is_empty() {
        return None;
    }
    std::fs::read(state::shipped_dpkg(root)).ok().map(|bytes| Dpkg::parse(&bytes))
}

/// The options of the step for `check`, without the node.
pub(super) fn outline(apt: &Apt) -> Option<StepOptions> {
    let origins: Vec<Origin> = apt.absent.iter().map(|entry| entry.origin.clone()).collect();
    (!origins.is_empty()).then(|| StepOptions::for_origins(origins, "apt.absent".to_owned(), Phase::Removals))
}

/// Plans a step for all required entries, and one for each optional entry.
pub(super) fn plan(apt: &Apt, shipped: Option<&Dpkg>, planner: &mut Planner<'_, Action>) {
    let common = planner.common;
    let may_change = |name: &str| apt.allow_change.iter().any(|entry| entry.value == name);
    let removable: BTreeSet<String> =
        apt.absent.iter().chain(&apt.allow_change).map(|entry| entry.value.clone()).collect();
    let shipped = shipped.unwrap_or(&common.inventory.dpkg);
    let asked = apt.absent.iter().filter_map(|entry| {
        let name = &entry.value;
        let is_installed = common.inventory.dpkg.installed_version(name).is_some();
        if is_installed && shipped.installed_version(name).is_some() && !may_change(name) {
            let hint = format!("list `{name}` under `allow-change` in `[apt]`, too, if it may be removed");
            planner.refuse(&entry.origin, format!("the runtime ships `{name}`"), hint);
            return None;
        }
        Some(Asked { ready: (!is_installed).then(|| name.clone()), name: name.clone(), entry: entry.clone() })
    });
    let asked: Vec<_> = asked.collect();
    for group in planner.groups("apt.absent", Phase::Removals, &Lane::Apt, asked) {
        let packages = group.entries.into_iter().map(|entry| entry.value).collect();
        let removal = AptRemoval { packages, removable: removable.clone() };
        planner.step(group.id, Action::Remove(removal), group.options);
    }
}
