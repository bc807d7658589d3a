//! Folders of libraries: a file of `/etc/ld.so.conf.d`, and the cache of the dynamic linker.

use std::{
    path::{Path, PathBuf},
    time::SystemTime,
};

use super::{program, record};
use crate::{
    exec::Cmd,
    fs::{self, Attributes, FsError},
    inventory::below,
    kinds::contract::LookAt,
    plan::{Phase, Planner, Resource, StepOptions},
    problem::Problem,
    profile::Entry,
    report::event::Difference,
    steps::Context,
};

/// The cache.
const CACHE: &str = "/etc/ld.so.cache";

/// The state of the node.
#[derive(Debug)]
pub(super) struct Look {
    file: Result<Option<Vec<u8>>, FsError>,
    missing: Vec<PathBuf>,
    is_stale: bool,
}

/// The action of a step: writes the file and updates the cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpdateLinkerCache {
    profile: String,
    /// The file below the root.
    path: PathBuf,
    folders: Vec<PathBuf>,
}

pub(super) fn look(folders: &[Entry<PathBuf>], at: &LookAt<'_>) -> Look {
    let folders = paths(folders);
    let path = below(at.root, &file(at.profile));
    Look {
        file: if folders.is_empty() { Ok(None) } else { text_of(&path) },
        missing: folders.iter().filter(|folder| !below(at.root, folder).is_dir()).cloned().collect(),
        is_stale: is_stale(at.root, &path, &folders),
    }
}

fn paths(folders: &[Entry<PathBuf>]) -> Vec<PathBuf> {
    folders.iter().map(|folder| folder.value.clone()).collect()
}

fn text_of(path: &Path) -> Result<Option<Vec<u8>>, FsError> {
    Ok(fs::read(path)?.and_then(|found| found.bytes))
}

/// Whether the cache is older than the file or a folder.
fn is_stale(root: &Path, file: &Path, folders: &[PathBuf]) -> bool {
    let time = |path: &Path| -> Option<SystemTime> { std::fs::metadata(path).ok()?.modified().ok() };
    let Some(cache) = time(&below(root, Path::new(CACHE))) else { return true };
    let mut times = folders.iter().map(|folder| time(&below(root, folder))).chain([time(file)]);
    times.any(|time| time.is_none_or(|time| time > cache))
}

/// The outlines of the steps.
pub(super) fn outline(folders: &[Entry<PathBuf>]) -> Vec<StepOptions> {
    // The name of the file depends on the profile that runs.
    options(folders, Vec::new()).into_iter().collect()
}

pub(super) fn plan<A: From<UpdateLinkerCache>>(folders: &[Entry<PathBuf>], look: &Look, planner: &mut Planner<'_, A>) {
    let (common, paths) = (planner.common, paths(folders));
    let file = file(common.profile);
    let Some(options) = options(folders, vec![Resource::Path(file.clone())]) else { return };
    let origin = options.origins[0].clone();
    planner.writes(&file, &origin);
    let found = match &look.file {
        Ok(found) => found,
        Err(error) => {
            return planner.refuse_with(Problem::from_error(error).hint(error.hint()).asked_at(origin));
        }
    };
    let installs = planner.earlier.step_of("installers").is_some();
    let is_filled = |folder: &Path| {
        let fills = |created: &Resource| matches!(created, Resource::Path(path) if path.starts_with(folder) || folder.starts_with(path));
        planner.earlier.steps.iter().any(|step| step.creates.iter().any(fills))
    };
    let may_appear = installs || planner.earlier.step_of("apt").is_some();
    if let Some(missing) = look.missing.iter().find(|folder| !may_appear && !is_filled(folder)) {
        let message =
            format!("there is no folder `{}` on this node, and nothing in the profile creates it", missing.display());
        let entry = folders.iter().find(|folder| folder.value == *missing);
        let origin = entry.map_or(&origin, |entry| &entry.origin);
        return planner.refuse(origin, message, "check its path, or add the entry that creates it".to_owned());
    }
    let text = text(&paths);
    // A program of this run may add a library.
    let is_ready = found.as_deref() == Some(text.as_bytes()) && !look.is_stale && !installs;
    if is_ready && !paths.iter().any(|folder| is_filled(folder)) {
        return planner.ready("system: folders of libraries");
    }
    let record = common.inventory.receipt.system(common.profile).and_then(|record| record.ldconfig.as_ref());
    let path = below(&common.inventory.root, &file);
    let action = UpdateLinkerCache { profile: common.profile.to_owned(), path, folders: paths };
    planner.step("system:ldconfig", A::from(action), options);
    planner.differs(match record {
        None => Some(Difference::Missing),
        Some(record) => (*record == text).then_some(Difference::Drifted),
    });
}

/// The options of the step. `None` without folders.
fn options(folders: &[Entry<PathBuf>], creates: Vec<Resource>) -> Option<StepOptions> {
    let first = folders.first()?;
    Some(StepOptions {
        creates,
        uses: folders.iter().map(|folder| Resource::Path(folder.value.clone())).collect(),
        entries: first.order.names.clone(),
        ..StepOptions::for_origins(
            folders.iter().map(|folder| folder.origin.clone()).collect(),
            String::new(),
            Phase::Linker,
        )
    })
}

fn file(profile: &str) -> PathBuf {
    PathBuf::from(format!("/etc/ld.so.conf.d/nodeagent-{profile}.conf"))
}

fn text(folders: &[PathBuf]) -> String {
    let lines = folders.iter().map(|folder| folder.display().to_string());
    let lines: Vec<String> = std::iter::once("# Written by nodeagent from [system].".to_owned()).chain(lines).collect();
    lines.join("\n") + "\n"
}

impl UpdateLinkerCache {
    /// The file beside which a killed run may leave a partial file.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn title(&self) -> String {
        let folders: Vec<String> = self.folders.iter().map(|folder| folder.display().to_string()).collect();
        format!("update the linker cache with {}", folders.join(", "))
    }

    pub(super) fn describe(&self) -> Vec<String> {
        vec![format!("{} has these folders", self.path.display()), Cmd::new("ldconfig").to_string()]
    }

    pub(super) async fn act(&self, ctx: &Context) -> Result<(), Problem> {
        if let Some(missing) = self.folders.iter().find(|folder| !below(&ctx.root, folder).is_dir()) {
            return Err(Problem::new(format!("there is no folder `{}` on this node", missing.display())));
        }
        let text = text(&self.folders);
        record::note(ctx, &self.profile, |record| record.ldconfig = Some(text.clone()))?;
        if text_of(&self.path)?.as_deref() != Some(text.as_bytes()) {
            fs::replace(&self.path, text.as_bytes(), Attributes::mode(0o644))?;
        }
        program::run(ctx, &Cmd::new("ldconfig")).await?;
        let has_text = text_of(&self.path)?.as_deref() == Some(text.as_bytes());
        if has_text && !is_stale(&ctx.root, &self.path, &self.folders) {
            return Ok(());
        }
        let hint = "check the clock of the node: a library folder may have a time in the future".to_owned();
        Err(Problem::new(format!("`{CACHE}` is older than the folders of libraries")).hint(hint))
    }
}

/// Removes the file and updates the cache. Returns false if the file was changed since nodeagent wrote it.
pub(super) async fn take_back(ctx: &Context, profile: &str, record: &str) -> Result<bool, Problem> {
    let path = below(&ctx.root, &file(profile));
    let Some(found) = text_of(&path)? else { return Ok(true) };
    if found != record.as_bytes() {
        return Ok(false);
    }
    fs::remove(&path)?;
    program::run(ctx, &Cmd::new("ldconfig")).await.map(|()| true)
}
