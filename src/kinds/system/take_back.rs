//! Takes back the settings that the profile no longer names. Swap files stay. The files of `/etc` that hold only text
//! are items, which are taken back for all kinds.

use std::path::{Path, PathBuf};

use super::{alternatives, checked::System, fstab, hostname, ldconfig, mounts, record, sysctl};
use crate::{
    plan::{Lane, Phase, Planner, StepOptions},
    problem::Problem,
    state::{MountRecord, Receipt, Replaced, SystemReceipt},
    steps::Context,
};

/// The action of a step: takes back one setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TakeBack {
    profile: String,
    setting: Setting,
    /// The file of mounts, below the root.
    fstab: PathBuf,
}

/// A setting that an earlier run made.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Setting {
    Sysctl(String, Replaced),
    Hostname(Replaced),
    Alternative(String, Replaced),
    Mount(PathBuf, MountRecord),
    Ldconfig(String),
}

pub(super) fn plan<A: From<TakeBack>>(system: &System, planner: &mut Planner<'_, A>) {
    let profile = planner.common.profile;
    let Some(record) = planner.common.inventory.receipt.system(profile) else { return };
    for setting in no_longer_named(system, record) {
        let id = format!("system:take-back:{}", setting.name());
        let options = StepOptions {
            lane: Some(Lane::System),
            ..StepOptions::for_origins(Vec::new(), id.clone(), Phase::Settings)
        };
        let fstab = fstab::path(&planner.common.inventory.root);
        planner.step(id, A::from(TakeBack { profile: profile.to_owned(), setting, fstab }), options);
    }
}

fn no_longer_named(system: &System, record: &SystemReceipt) -> Vec<Setting> {
    let sysctl = record.sysctl.iter().filter(|(name, _)| !system.sysctl.contains_key(*name));
    let alternatives = record.alternatives.iter().filter(|(name, _)| !system.alternatives.contains_key(*name));
    let mounts = record.mounts.iter().filter(|(point, _)| !system.mounts.contains_key(*point));
    let hostname = record.hostname.iter().filter(|_| system.hostname.is_none());
    let ldconfig = record.ldconfig.iter().filter(|_| system.ldconfig.is_empty());
    let mut all: Vec<Setting> = sysctl.map(|(name, record)| Setting::Sysctl(name.clone(), record.clone())).collect();
    all.extend(hostname.map(|record| Setting::Hostname(record.clone())));
    all.extend(alternatives.map(|(name, record)| Setting::Alternative(name.clone(), record.clone())));
    // A mount in a folder of another one is unmounted first.
    all.extend(mounts.rev().map(|(point, record)| Setting::Mount(point.clone(), record.clone())));
    all.extend(ldconfig.map(|text| Setting::Ldconfig(text.clone())));
    all
}

impl Setting {
    fn name(&self) -> String {
        match self {
            Self::Sysctl(name, _) => format!("sysctl:{name}"),
            Self::Hostname(_) => "hostname".to_owned(),
            Self::Alternative(name, _) => format!("alternatives:{name}"),
            Self::Mount(point, _) => format!("mounts:{}", point.display()),
            Self::Ldconfig(_) => "ldconfig".to_owned(),
        }
    }

    /// The setting in words.
    fn words(&self) -> String {
        match self {
            Self::Sysctl(name, _) => format!("the value of `{name}`"),
            Self::Hostname(_) => "the host name".to_owned(),
            Self::Alternative(name, _) => format!("the alternative `{name}`"),
            Self::Mount(point, _) => format!("the mount at `{}`", point.display()),
            Self::Ldconfig(_) => "the list of folders of libraries".to_owned(),
        }
    }

    /// Whether another profile made it as well.
    fn is_elsewhere(&self, profile: &str, receipt: &Receipt) -> bool {
        receipt.has_system_elsewhere(profile, |record| match self {
            Self::Sysctl(name, _) => record.sysctl.contains_key(name),
            Self::Hostname(_) => record.hostname.is_some(),
            Self::Alternative(name, _) => record.alternatives.contains_key(name),
            Self::Mount(point, _) => record.mounts.contains_key(point),
            // Each profile has a file of its own.
            Self::Ldconfig(_) => false,
        })
    }

    fn forget(&self, record: &mut SystemReceipt) {
        match self {
            Self::Sysctl(name, _) => drop(record.sysctl.remove(name)),
            Self::Hostname(_) => record.hostname = None,
            Self::Alternative(name, _) => drop(record.alternatives.remove(name)),
            Self::Mount(point, _) => drop(record.mounts.remove(point)),
            Self::Ldconfig(_) => record.ldconfig = None,
        }
    }
}

impl TakeBack {
    /// The file beside which a killed run may leave a partial file.
    pub(super) fn fstab(&self) -> &Path {
        &self.fstab
    }

    pub(super) fn title(&self) -> String {
        match &self.setting {
            Setting::Mount(point, _) => format!("unmount {}", point.display()),
            Setting::Ldconfig(_) => "remove folders from the linker cache".to_owned(),
            setting => format!("restore {}", setting.words()),
        }
    }

    pub(super) fn describe(&self) -> Vec<String> {
        let commands = match &self.setting {
            Setting::Sysctl(_, record) | Setting::Hostname(record) => {
                record.before.iter().map(|before| format!("{} becomes {before}", record.value)).collect()
            }
            Setting::Alternative(name, record) => vec![alternatives::restore(name, record).to_string()],
            Setting::Mount(point, record) => mounts::describe_take_back(point, record),
            Setting::Ldconfig(_) => Vec::new(),
        };
        std::iter::once("the profile no longer names it".to_owned()).chain(commands).collect()
    }

    pub(super) async fn act(&self, ctx: &Context) -> Result<(), Problem> {
        if !self.setting.is_elsewhere(&self.profile, &Receipt::read(&ctx.root)) {
            let is_as_made = match &self.setting {
                Setting::Sysctl(name, record) => sysctl::take_back(ctx, name, record)?,
                Setting::Hostname(record) => hostname::take_back(ctx, record).await?,
                Setting::Alternative(name, record) => alternatives::take_back(ctx, name, record).await?,
                Setting::Mount(point, record) => mounts::take_back(ctx, &self.profile, point, record).await?,
                Setting::Ldconfig(text) => ldconfig::take_back(ctx, &self.profile, text).await?,
            };
            if !is_as_made {
                let message = format!("{} was changed since nodeagent set it, so it stays", self.setting.words());
                ctx.progress.warn(message);
            }
        }
        record::note(ctx, &self.profile, |record| self.setting.forget(record))
    }
}
