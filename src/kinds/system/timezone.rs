//! The time zone: the link `/etc/localtime` and the file `/etc/timezone`.

use std::path::{Path, PathBuf};

use crate::{
    fs::{self, Attributes, FsError, PathType},
    inventory::{Snapshots, below},
    kinds::contract::LookAt,
    plan::{Phase, Planner, Resource, StepOptions, TextFile, WriteFile},
    problem::Problem,
    profile::Entry,
    report::event::Difference,
    state::{Item, WHOLE},
    steps::{Context, write_link},
};

/// The link that the C library reads.
const LINK: &str = "/etc/localtime";
/// The file with the name, which Java and Debian's tools read.
const FILE: &str = "/etc/timezone";
/// The folder of zones.
const ZONES: &str = "/usr/share/zoneinfo";
/// The package that has the zones.
const PACKAGE: &str = "tzdata";

/// The state of the node.
#[derive(Debug)]
pub(super) struct Look {
    link: Result<Option<PathType>, FsError>,
    file: Snapshots,
    has_zone: bool,
}

/// The action of a step: makes the link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetTimezone {
    profile: String,
    zone: String,
    /// The link below the root.
    path: PathBuf,
}

pub(super) fn look(zone: Option<&Entry<String>>, at: &LookAt<'_>) -> Look {
    let has_zone = zone.is_some_and(|zone| below(at.root, &path_of(&zone.value)).is_file());
    let files = zone.map(|_| PathBuf::from(FILE));
    let link = fs::look_at(&below(at.root, Path::new(LINK))).map(|found| found.map(|found| found.kind));
    Look { link, file: Snapshots::read(at.root, files), has_zone }
}

/// The outlines of the steps.
pub(super) fn outline(zone: Option<&Entry<String>>) -> Vec<StepOptions> {
    zone.into_iter().flat_map(|zone| [LINK, FILE].map(|path| options(zone, path, Phase::Accounts))).collect()
}

pub(super) fn plan<A>(zone: Option<&Entry<String>>, look: &Look, planner: &mut Planner<'_, A>)
where
    A: From<SetTimezone> + From<WriteFile>,
{
    let Some(entry) = zone else { return };
    let phase = match (look.has_zone, planner.earlier.installs(PACKAGE)) {
        (true, _) => Phase::Accounts,
        (false, true) => Phase::Files,
        (false, false) => {
            let message = format!("this node has no time zone `{}`", entry.value);
            let hint = format!("check its name, or add the package `{PACKAGE}` to `[apt]`");
            return planner.refuse(&entry.origin, message, hint);
        }
    };
    let link = match &look.link {
        Ok(link) => link,
        Err(error) => return planner.refuse_with(Problem::from_error(error).asked_at(entry.origin.clone())),
    };
    let common = planner.common;
    planner.writes(Path::new(LINK), &entry.origin);
    planner.makes(Path::new(LINK), WHOLE, &entry.order.names);
    match link {
        Some(PathType::Link(target)) if is_zone(target, &entry.value) => {
            planner.ready(format!("system: time zone {}", entry.value));
        }
        Some(PathType::Folder | PathType::Other) => {
            let hint = "move it out of the way".to_owned();
            return planner.refuse(&entry.origin, format!("`{LINK}` is not a file"), hint);
        }
        _ => {
            let wanted = path_of(&entry.value);
            let difference = match common.inventory.receipt.item(common.profile, Path::new(LINK), WHOLE) {
                None => Some(Difference::Missing),
                Some(Item::Link { target, .. }) if *target != wanted => None,
                Some(_) => Some(Difference::Drifted),
            };
            let path = below(&common.inventory.root, Path::new(LINK));
            let action = SetTimezone { profile: common.profile.to_owned(), zone: entry.value.clone(), path };
            planner.step("system:timezone", A::from(action), options(entry, LINK, phase));
            planner.differs(difference);
        }
    }
    let file = TextFile {
        id: "system:timezone:file".to_owned(),
        path: FILE.into(),
        text: &entry.value,
        block: None,
        base: None,
        attributes: Attributes::mode(0o644),
        mode: None,
    };
    file.plan("system", &look.file, planner, options(entry, FILE, phase));
}

fn options(entry: &Entry<String>, path: &str, phase: Phase) -> StepOptions {
    let (creates, mut options) = (vec![Resource::Path(path.into())], StepOptions::new(entry, phase));
    if phase == Phase::Files {
        options.uses.push(Resource::Package(PACKAGE.to_owned()));
    }
    StepOptions { creates, ..options }
}

fn path_of(zone: &str) -> PathBuf {
    Path::new(ZONES).join(zone)
}

/// Whether a link to this target selects the zone. Some images have a relative link.
fn is_zone(target: &Path, zone: &str) -> bool {
    let target = Path::new("/etc").join(target);
    target == path_of(zone)
        || target.strip_prefix("/etc/..").is_ok_and(|rest| Path::new("/").join(rest) == path_of(zone))
}

impl SetTimezone {
    /// The link beside which a killed run may leave a partial one.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn title(&self) -> String {
        format!("select the time zone {}", self.zone)
    }

    pub(super) fn describe(&self) -> Vec<String> {
        vec![format!("link {LINK} to {}", path_of(&self.zone).display())]
    }

    pub(super) fn act(&self, ctx: &Context) -> Result<(), Problem> {
        let target = path_of(&self.zone);
        if !below(&ctx.root, &target).is_file() {
            return Err(Problem::new(format!("this node has no time zone `{}`", self.zone)));
        }
        write_link(ctx, &self.profile, Path::new(LINK), &target, None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relative_links_to_a_zone_are_known() {
        for target in ["/usr/share/zoneinfo/Etc/UTC", "../usr/share/zoneinfo/Etc/UTC"] {
            assert!(is_zone(Path::new(target), "Etc/UTC"), "{target}");
        }
        for target in ["/usr/share/zoneinfo/UTC", "../../usr/share/zoneinfo/Etc/UTC", "x"] {
            assert!(!is_zone(Path::new(target), "Etc/UTC"), "{target}");
        }
    }
}
