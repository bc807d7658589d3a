//! Mounts: the line in fstab, and the mount itself.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use super::{
    checked::Mount,
    fstab,
    mount_look::{self, Folder, Look, is_recorded, is_wanted, mounted_at},
    permission, program, record,
};
use crate::{
    exec::Cmd,
    fs,
    inventory::below,
    plan::{Lane, Phase, Planner, Resource, StepOptions},
    problem::Problem,
    profile::Entry,
    report::event::Difference,
    state::MountRecord,
    steps::Context,
};

/// The mounts of a profile.
type Mounts = BTreeMap<PathBuf, Entry<Mount>>;

/// The action of a step: mounts something at a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MountFolder {
    profile: String,
    point: PathBuf,
    mount: Mount,
    /// The file with its line, below the root.
    fstab: PathBuf,
    /// Whether the mount exists, so that only the line is missing.
    is_mounted: bool,
}

/// The outlines of the steps.
pub(super) fn outline(mounts: &Mounts) -> Vec<StepOptions> {
    mounts.iter().map(|(point, entry)| options(point, entry)).collect()
}

pub(super) fn plan<A: From<MountFolder>>(mounts: &Mounts, look: &Look, planner: &mut Planner<'_, A>) {
    let profile = planner.common.profile;
    let records = planner.common.inventory.receipt.system(profile).map(|record| &record.mounts);
    for (point, entry) in mounts {
        let record = records.and_then(|records| records.get(point));
        let mount = &entry.value;
        let line = fstab::line_of_mount(point, mount);
        let found = look.mounted.get(point);
        let device = look.devices.get(&mount.what).map(PathBuf::as_path);
        let is_mounted = found.is_some_and(|found| is_wanted(found, mount, device, &line, record));
        let action = A::from(MountFolder {
            profile: profile.to_owned(),
            point: point.clone(),
            mount: mount.clone(),
            fstab: fstab::path(&planner.common.inventory.root),
            is_mounted,
        });
        let (id, options) = (format!("system:mounts:{}", point.display()), options(point, entry));
        let mut problem = problem_of_folder(point, look, is_mounted, record);
        let mut has_line = false;
        match line_in(&look.fstab, profile, point) {
            Ok(present) => has_line = present.as_deref() == Some(line.as_str()),
            Err(of_file) => problem = problem.or(Some(of_file)),
        }
        if let Some(problem) = problem {
            planner.impossible(id, action, options, problem.asked_at(entry.origin.clone()));
        } else if is_mounted && has_line {
            planner.ready(format!("system: mount {}", point.display()));
        } else {
            let difference = match record {
                None => Some(Difference::Missing),
                Some(record) => (record.line == line).then_some(Difference::Drifted),
            };
            planner.step(id, action, options);
            planner.differs(difference);
        }
    }
}

/// The reason why nothing can be mounted at a folder.
fn problem_of_folder(point: &Path, look: &Look, is_mounted: bool, record: Option<&MountRecord>) -> Option<Problem> {
    if is_mounted {
        return None;
    }
    if !look.is_admin {
        return Some(permission::not_permitted("mounts"));
    }
    match look.mounted.get(point) {
        Some(found) => (!is_recorded(found, record)).then(|| other_mount(point, found)),
        None => look.folders.get(point).and_then(|folder| not_free(point, *folder)),
    }
}

fn other_mount(point: &Path, found: &fs::Mount) -> Problem {
    let message = format!("`{}` at `{}` is mounted already", found.source, point.display());
    Problem::new(message).hint("unmount it, or choose another folder".to_owned())
}

fn not_free(point: &Path, folder: Folder) -> Option<Problem> {
    let (what, hint) = match folder {
        Folder::Absent | Folder::Empty => return None,
        Folder::Full => ("has content, which a mount would hide", "move the content, or choose another folder"),
        Folder::Other => ("is not a folder", "move it away, or choose another path"),
    };
    Some(Problem::new(format!("`{}` {what}", point.display())).hint(hint.to_owned()))
}

/// The line that the block of a mount has. The error is the reason why fstab cannot be changed.
fn line_in(fstab: &Result<Vec<u8>, fs::FsError>, profile: &str, point: &Path) -> Result<Option<String>, Problem> {
    let text = fstab.as_ref().map_err(|error| Problem::from_error(error).hint(error.hint()))?;
    let block = fstab::block(profile, point);
    let others = block.take_out(text).map_err(|_| fstab::unpaired())?;
    if fstab::has_mount(&others, point) {
        let message = format!("`{}` has another line for `{}`", fstab::FILE, point.display());
        return Err(Problem::new(message).hint("remove that line, or the entry".to_owned()));
    }
    let lines = block.lines(text).map_err(|_| fstab::unpaired())?;
    Ok(lines.map(|lines| String::from_utf8_lossy(lines).trim_end_matches('\n').to_owned()))
}

fn options(point: &Path, entry: &Entry<Mount>) -> StepOptions {
    StepOptions {
        creates: vec![Resource::Path(point.to_owned())],
        uses: vec![Resource::folder_of(point), Resource::Path(entry.value.what.clone().into())],
        lane: Some(Lane::System),
        ..StepOptions::new(entry, Phase::Files)
    }
}

impl MountFolder {
    /// The file beside which a killed run may leave a partial file.
    pub(super) fn fstab(&self) -> &Path {
        &self.fstab
    }

    pub(super) fn title(&self) -> String {
        let (what, point) = (&self.mount.what, self.point.display());
        if self.is_mounted { format!("add {point} to {}", fstab::FILE) } else { format!("mount {what} at {point}") }
    }

    pub(super) fn describe(&self) -> Vec<String> {
        let line = format!("{} has {}", fstab::FILE, fstab::line_of_mount(&self.point, &self.mount));
        let command = (!self.is_mounted).then(|| self.command().to_string());
        command.into_iter().chain([line]).collect()
    }

    fn command(&self) -> Cmd {
        let Mount { what, kind, options } = &self.mount;
        let point = self.point.display().to_string();
        Cmd::new("mount").args(["-t", kind, "-o", options, "--", what, &point])
    }

    pub(super) async fn act(&self, ctx: &Context) -> Result<(), Problem> {
        let (line, record) = (fstab::line_of_mount(&self.point, &self.mount), self.record(ctx));
        let device = mount_look::device(&ctx.root, &self.mount.what);
        let is_wanted = |found: &fs::Mount, record: Option<&MountRecord>| {
            is_wanted(found, &self.mount, device.as_deref(), &line, record)
        };
        match mounted_at(&ctx.root, &self.point) {
            Some(found) if is_wanted(&found, record.as_ref()) => {
                let known = record.clone().unwrap_or_default();
                self.note(ctx, MountRecord { line: line.clone(), seen: Some(found), ..known })?;
            }
            Some(found) if is_recorded(&found, record.as_ref()) => {
                program::run(ctx, &umount(&self.point)).await?;
                self.mount(ctx, &line).await?;
            }
            Some(found) => return Err(other_mount(&self.point, &found)),
            None => self.mount(ctx, &line).await?,
        }
        // A line that does not work could keep the node from starting, so it follows the mount.
        fstab::change(&ctx.root, |text| {
            let block = fstab::block(&self.profile, &self.point);
            block.put(text, format!("{line}\n").as_bytes()).map_err(|_| fstab::unpaired())
        })?;
        let found = mounted_at(&ctx.root, &self.point);
        let has_line = line_in(&fstab::read(&ctx.root).map_or_else(Err, Ok), &self.profile, &self.point)?;
        if found.is_some_and(|found| is_wanted(&found, self.record(ctx).as_ref())) && has_line == Some(line) {
            return Ok(());
        }
        Err(Problem::new(format!("`{}` is not mounted as requested", self.point.display())))
    }

    async fn mount(&self, ctx: &Context, line: &str) -> Result<(), Problem> {
        let folder = mount_look::folder(&ctx.root, &self.point);
        if let Some(problem) = not_free(&self.point, folder) {
            return Err(problem);
        }
        let earlier = self.record(ctx).is_some_and(|record| record.created_folder);
        let created_folder = earlier || folder == Folder::Absent;
        let record = MountRecord { line: line.to_owned(), seen: None, is_ours: true, created_folder };
        self.note(ctx, record.clone())?;
        fs::create_dirs(&below(&ctx.root, &self.point), 0o755)?;
        program::run(ctx, &self.command()).await?;
        let Some(seen) = mounted_at(&ctx.root, &self.point) else {
            return Err(Problem::new(format!("nothing is mounted at `{}` after mount", self.point.display())));
        };
        self.note(ctx, MountRecord { seen: Some(seen), ..record })
    }

    fn record(&self, ctx: &Context) -> Option<MountRecord> {
        record::read(&ctx.root, &self.profile).mounts.remove(&self.point)
    }

    fn note(&self, ctx: &Context, new: MountRecord) -> Result<(), Problem> {
        record::note(ctx, &self.profile, |record| drop(record.mounts.insert(self.point.clone(), new)))
    }
}

fn umount(point: &Path) -> Cmd {
    Cmd::new("umount").arg(point.display().to_string())
}

/// Unmounts a folder, and removes its line and the folder that nodeagent created. Returns false if the mount or the
/// line was changed since nodeagent made it.
pub(super) async fn take_back(
    ctx: &Context,
    profile: &str,
    point: &Path,
    record: &MountRecord,
) -> Result<bool, Problem> {
    let mut is_as_made = true;
    if record.is_ours
        && let Some(found) = mounted_at(&ctx.root, point)
    {
        is_as_made = is_recorded(&found, Some(record));
        if is_as_made {
            program::run(ctx, &umount(point)).await?;
        }
    }
    let block = fstab::block(profile, point);
    fstab::change(&ctx.root, |text| {
        let wanted = format!("{}\n", record.line);
        match block.lines(text).map_err(|_| fstab::unpaired())? {
            Some(lines) if lines == wanted.as_bytes() => block.take_out(text).map_err(|_| fstab::unpaired()),
            found => {
                is_as_made &= found.is_none();
                Ok(text.to_vec())
            }
        }
    })?;
    let is_free = mounted_at(&ctx.root, point).is_none() && mount_look::folder(&ctx.root, point) == Folder::Empty;
    if record.created_folder && is_free {
        fs::remove_path(&below(&ctx.root, point), false)?;
    }
    Ok(is_as_made)
}

/// The commands that take a mount back.
pub(super) fn describe_take_back(point: &Path, record: &MountRecord) -> Vec<String> {
    let command = record.is_ours.then(|| umount(point).to_string());
    command.into_iter().chain([format!("remove from {}: {}", fstab::FILE, record.line)]).collect()
}
