//! Names of hosts: a block in `/etc/hosts`.

use std::{collections::BTreeMap, net::IpAddr, path::PathBuf};

use crate::{
    fs::Attributes,
    inventory::Snapshots,
    kinds::contract::LookAt,
    managed_block::{ManagedBlock, Position},
    plan::{Phase, Planner, Resource, StepOptions, TextFile, WriteFile},
    profile::Entry,
};

/// The file of all programs.
const FILE: &str = "/etc/hosts";

/// The names of a profile.
type Hosts = BTreeMap<IpAddr, Entry<Vec<String>>>;

/// The state of the node.
#[derive(Debug)]
pub(super) struct Look(Snapshots);

pub(super) fn look(hosts: &Hosts, at: &LookAt<'_>) -> Look {
    Look(Snapshots::read(at.root, (!hosts.is_empty()).then(|| PathBuf::from(FILE))))
}

/// The outlines of the steps.
pub(super) fn outline(hosts: &Hosts) -> Vec<StepOptions> {
    options(hosts).into_iter().collect()
}

pub(super) fn plan<A: From<WriteFile>>(hosts: &Hosts, look: &Look, planner: &mut Planner<'_, A>) {
    let Some(options) = options(hosts) else { return };
    let line = |(address, entry): (&IpAddr, &Entry<Vec<String>>)| format!("{address}\t{}\n", entry.value.join(" "));
    let text: String = hosts.iter().map(line).collect();
    let file = TextFile {
        id: "system:hosts".to_owned(),
        path: FILE.into(),
        text: &text,
        // Programs take the first line that has a name or an address.
        block: Some(ManagedBlock::of_profile(planner.common.profile, Position::Start)),
        base: None,
        attributes: Attributes::mode(0o644),
        mode: None,
    };
    file.plan("system", &look.0, planner, options);
}

/// The options of the step. `None` without hosts.
fn options(hosts: &Hosts) -> Option<StepOptions> {
    let origins: Vec<_> = hosts.values().map(|entry| entry.origin.clone()).collect();
    let entries = hosts.values().flat_map(|entry| entry.order.names.clone()).collect();
    let creates = vec![Resource::Path(FILE.into())];
    // Package tools find their servers with this file.
    let options = || StepOptions::for_origins(origins.clone(), String::new(), Phase::Configuration);
    (!hosts.is_empty()).then(|| StepOptions { entries, creates, ..options() })
}
