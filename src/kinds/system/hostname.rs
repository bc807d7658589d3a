//! The host name: the file `/etc/hostname`, and the name in the kernel.

use std::path::{Path, PathBuf};

use super::{permission, program, record};
use crate::{
    exec::Cmd,
    fs::Attributes,
    inventory::{Snapshots, below},
    kinds::contract::LookAt,
    plan::{Phase, Planner, Resource, StepOptions, TextFile, WriteFile},
    problem::Problem,
    profile::Entry,
    state::Replaced,
    steps::Context,
};

/// The file that is read when the node starts.
const FILE: &str = "/etc/hostname";
/// The name in the kernel.
const KERNEL: &str = "/proc/sys/kernel/hostname";

/// The state of the node.
#[derive(Debug)]
pub(super) struct Look {
    now: String,
    file: Snapshots,
    is_admin: bool,
}

/// The action of a step: sets the name in the kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetHostname {
    profile: String,
    name: String,
    /// The name at planning.
    before: String,
}

pub(super) fn look(name: Option<&Entry<String>>, at: &LookAt<'_>) -> Look {
    let files = name.map(|_| PathBuf::from(FILE));
    Look {
        now: present(at.root),
        file: Snapshots::read(at.root, files),
        is_admin: name.is_some() && permission::is_admin(at.root),
    }
}

/// The outlines of the steps.
pub(super) fn outline(name: Option<&Entry<String>>) -> Vec<StepOptions> {
    name.into_iter().flat_map(|name| [KERNEL, FILE].map(|path| options(name, path))).collect()
}

pub(super) fn plan<A>(name: Option<&Entry<String>>, look: &Look, planner: &mut Planner<'_, A>)
where
    A: From<SetHostname> + From<WriteFile>,
{
    let Some(entry) = name else { return };
    let profile = planner.common.profile;
    if look.now == entry.value {
        planner.ready(format!("system: host name {}", entry.value));
    } else if look.is_admin {
        let record = planner.common.inventory.receipt.system(profile).and_then(|record| record.hostname.as_ref());
        let action = SetHostname { profile: profile.to_owned(), name: entry.value.clone(), before: look.now.clone() };
        planner.step("system:hostname", A::from(action), options(entry, KERNEL));
        planner.differs(record::difference(record, &entry.value));
    } else {
        return planner.refuse_with(permission::not_permitted("another host name").asked_at(entry.origin.clone()));
    }
    let file = TextFile {
        id: "system:hostname:file".to_owned(),
        path: FILE.into(),
        text: &entry.value,
        block: None,
        base: None,
        attributes: Attributes::mode(0o644),
        mode: None,
    };
    file.plan("system", &look.file, planner, options(entry, FILE));
}

fn options(entry: &Entry<String>, path: &str) -> StepOptions {
    let options = StepOptions::new(entry, Phase::Accounts);
    let uses = if path == FILE { vec![Resource::Path(KERNEL.into())] } else { Vec::new() };
    StepOptions { creates: vec![Resource::Path(path.into())], uses, ..options }
}

/// The name in the kernel. Empty if it is not known.
fn present(root: &Path) -> String {
    std::fs::read_to_string(below(root, Path::new(KERNEL))).unwrap_or_default().trim().to_owned()
}

fn hostname(name: &str) -> Cmd {
    Cmd::new("hostname").arg(name)
}

impl SetHostname {
    pub(super) fn title(&self) -> String {
        format!("set the host name to {}", self.name)
    }

    pub(super) fn describe(&self) -> Vec<String> {
        vec![format!("the host name {} becomes {}", self.before, self.name), hostname(&self.name).to_string()]
    }

    pub(super) async fn act(&self, ctx: &Context) -> Result<(), Problem> {
        let before = present(&ctx.root);
        record::note(ctx, &self.profile, |record| {
            let replaced = Replaced::renewing(self.name.clone(), Some(before), record.hostname.as_ref());
            record.hostname = Some(replaced);
        })?;
        program::run(ctx, &hostname(&self.name)).await?;
        let now = present(&ctx.root);
        if now == self.name {
            return Ok(());
        }
        Err(Problem::new(format!("the host name is `{now}` after `hostname {}`", self.name)))
    }
}

/// Restores the name before. Returns false if it was changed since nodeagent set it.
pub(super) async fn take_back(ctx: &Context, record: &Replaced) -> Result<bool, Problem> {
    let now = present(&ctx.root);
    let Some(before) = record.before.as_ref().filter(|before| !before.is_empty()) else { return Ok(true) };
    if now == record.value {
        program::run(ctx, &hostname(before)).await?;
    }
    Ok(now == record.value || now == *before)
}
