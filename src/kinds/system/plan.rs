//! Plans `[system]`: each part with its own file.

use std::path::Path;

use super::{
    action::Action, alternatives, checked::System, fstab, hostname, hosts, ldconfig, mount_look, mounts, swap, sysctl,
    take_back, timezone,
};
use crate::{
    inventory::Inventory,
    kinds::{
        contract::{LookAt, Planning},
        no_packages::plans_no_packages,
    },
    plan::{Address, Planner, Resource, StepOptions},
};

/// The state of the node.
#[derive(Debug)]
pub struct Look {
    sysctl: sysctl::Look,
    hosts: hosts::Look,
    swap: swap::Look,
    mounts: mount_look::Look,
    alternatives: alternatives::Look,
    ldconfig: ldconfig::Look,
    timezone: timezone::Look,
    hostname: hostname::Look,
}

impl Planning for System {
    type Look = Look;
    type Action = Action;

    fn look(&self, at: &LookAt<'_>) -> Look {
        Look {
            sysctl: sysctl::look(&self.sysctl, at),
            hosts: hosts::look(&self.hosts, at),
            swap: swap::look(&self.swap, at),
            mounts: mount_look::look(&self.mounts, at),
            alternatives: alternatives::look(&self.alternatives, at),
            ldconfig: ldconfig::look(&self.ldconfig, at),
            timezone: timezone::look(self.timezone.as_ref(), at),
            hostname: hostname::look(self.hostname.as_ref(), at),
        }
    }

    plans_no_packages!();

    fn addresses(&self, _: &Inventory) -> Vec<Address> {
        Vec::new()
    }

    fn outline(&self) -> Vec<StepOptions> {
        let mut in_fstab = swap::outline(&self.swap);
        in_fstab.extend(mounts::outline(&self.mounts));
        if let Some(first) = in_fstab.first_mut() {
            first.creates.push(Resource::Path(fstab::FILE.into()));
        }
        let others = [
            sysctl::outline(&self.sysctl),
            hosts::outline(&self.hosts),
            timezone::outline(self.timezone.as_ref()),
            hostname::outline(self.hostname.as_ref()),
            alternatives::outline(&self.alternatives),
            ldconfig::outline(&self.ldconfig),
        ];
        in_fstab.into_iter().chain(others.into_iter().flatten()).collect()
    }

    fn plan(&self, look: &Look, planner: &mut Planner<'_, Action>) {
        let mounts = self.mounts.values().map(|entry| &entry.origin);
        if let Some(origin) = self.swap.values().map(|entry| &entry.origin).chain(mounts).next() {
            planner.writes(Path::new(fstab::FILE), origin);
        }
        sysctl::plan(&self.sysctl, &look.sysctl, planner);
        hosts::plan(&self.hosts, &look.hosts, planner);
        timezone::plan(self.timezone.as_ref(), &look.timezone, planner);
        hostname::plan(self.hostname.as_ref(), &look.hostname, planner);
        swap::plan(&self.swap, &look.swap, planner);
        mounts::plan(&self.mounts, &look.mounts, planner);
        alternatives::plan(&self.alternatives, &look.alternatives, planner);
        ldconfig::plan(&self.ldconfig, &look.ldconfig, planner);
        take_back::plan(self, planner);
    }
}
