//! The launch's part of the stage: the copies before the gate, and the start of the process at the end.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use nix::unistd::Uid;

use super::{
    launched::{CopiedFile, Launched, copies, folder, forget_present},
    launched_commit::LaunchedCommit,
};
use crate::{
    digest::Digest,
    exec::{Cmd, find_program, start_detached},
    fs::{self, Attributes},
    kinds::{Node, Plan},
    plan::LaterFile,
    problem::Problem,
    profile::{RunStage, copied, is_path},
    report::RUNS,
    run::job::{Job, warn},
    state::stage_folder,
    steps::{Context, stage},
    task,
};

/// The start of the post-start stage.
#[derive(Debug)]
pub(in crate::run) struct StageStart {
    launched: Launched,
    /// The files to copy: their paths, their names for messages and their expected digests.
    files: BTreeMap<PathBuf, (String, Option<Digest>)>,
}

impl StageStart {
    /// The start of the stage of a plan. `None` if the plan has no later steps, or this process may not start them.
    pub(in crate::run) fn of(job: &Job, node: &Node, plan: &Plan) -> Option<Self> {
        let ready = job.profile.post_start.ready.as_ref()?.probe.clone();
        let may_start = job.root != Path::new("/") || Uid::effective().is_root();
        if plan.later.is_empty() || job.profile.stage != RunStage::Launch || !may_start {
            return None;
        }
        let texts = job.filestore.read_texts().into_iter();
        let texts = texts.map(|(path, (name, digest))| (path, (name, Some(digest))));
        let assets = node.later_assets(&job.profile).into_iter();
        let files = texts.chain(assets.map(|(path, name, digest)| (path, (name, digest)))).collect();
        let digests = plan
            .later_files
            .iter()
            .map(|file| &file.stage)
            .filter_map(|file| Some((file.name.clone(), file.digest()?.hex().to_owned())));
        let request = match std::path::absolute(&job.later.request) {
            Ok(path) if is_path(&job.later.request) => {
                let folder = copies(&job.root, &job.profile.name, &job.run);
                copied(&folder, &path).display().to_string()
            }
            _ => job.later.request.clone(),
        };
        let launched = Launched {
            run: job.run.clone(),
            profile: job.profile.name.clone(),
            request,
            sets: job.later.sets.clone(),
            sources: job.profile.sources.clone(),
            ready,
            decisions: job.profile.post_start.decisions.clone(),
            digests: digests.collect(),
            folders: job.profile.folders.clone(),
            commits: node.later_commits(&job.profile, &job.facts).iter().map(LaunchedCommit::from).collect(),
            root: std::path::absolute(&job.filestore.root).unwrap_or_else(|_| job.filestore.root.clone()),
            files: BTreeMap::new(),
        };
        Some(Self { launched, files })
    }

    /// Fetches and copies the files of the stage. Changes only the folders of the agent.
    pub(in crate::run) async fn prepare(&mut self, job: &Job, ctx: &Context, plan: &Plan) -> Result<(), Vec<Problem>> {
        for file in &plan.later_files {
            match fetch(ctx, file).await {
                Ok(()) => {}
                // The stage fetches a file with a digest again. A file whose signature is not verified fails there.
                Err(problem) if file.optional => warn(job, problem.one_line()),
                Err(problem) => return Err(vec![problem]),
            }
        }
        let (root, launched) = (ctx.root.clone(), self.launched.clone());
        let files = std::mem::take(&mut self.files);
        let copy = task::blocking(move || copy_all(&root, &launched, files)).await;
        match copy.unwrap_or_else(|error| error.resume()) {
            Ok(files) => {
                self.launched.files = files;
                Ok(())
            }
            Err(problem) => {
                self.discard(&ctx.root);
                Err(vec![problem])
            }
        }
    }

    /// Removes the copies of a launch that does not start the stage.
    pub(in crate::run) fn discard(&self, root: &Path) {
        // A folder that stays is removed by the next stage.
        let _ = fs::remove_tree(&folder(root, &self.launched.profile, &self.launched.run));
    }

    /// Starts the process of the stage. A stage of an earlier launch that still waits ends by itself.
    pub(in crate::run) fn start(&self, job: &Job) -> Result<(), Problem> {
        let launched = &self.launched;
        launched.replace_present(&job.root)?;
        let program = std::env::current_exe()
            .map_err(|error| Problem::new(format!("the path of nodeagent is not known: {error}")))?;
        let arguments =
            ["run", "--stage", RunStage::PostStart.as_str(), "--profile", &launched.profile].map(str::to_owned);
        let arguments = arguments.iter().chain(&job.later.arguments).cloned();
        let cmd = Cmd::new(program.display().to_string()).args(arguments);
        let log = job.root.join(RUNS).join(format!("post-start-{}.log", launched.profile));
        fs::replace(&log, b"", Attributes::mode(0o644))?;
        if let Some(scope) = in_scope(&job.root, &cmd, &launched.run) {
            match start_detached(&scope, &log) {
                Ok(()) => return Ok(()),
                Err(error) => tracing::debug!("without a scope: {error}"),
            }
        }
        start_detached(&cmd, &log).map_err(|error| Problem::from_error(&error))
    }
}

/// Fetches a file of the stage.
async fn fetch(ctx: &Context, file: &LaterFile) -> Result<(), Problem> {
    match &file.known_failure {
        Some(problem) => Err(problem.clone()),
        None => stage(ctx, std::slice::from_ref(&file.stage)).await,
    }
}

/// The command in a unit of its own, if systemd is process 1: systemd kills the remaining processes of an init script's
/// unit.
fn in_scope(root: &Path, cmd: &Cmd, run: &str) -> Option<Cmd> {
    if !root.join("run/systemd/system").is_dir() || root != Path::new("/") {
        return None;
    }
    let program = find_program("systemd-run")?;
    let unit = format!("--unit=nodeagent-post-start-{run}.scope");
    let scope = Cmd::new(program.display().to_string())
        .args(["--scope", "--quiet", "--collect", unit.as_str()])
        .args(["--description=nodeagent: the post-start stage", "--", cmd.program.as_str()]);
    Some(scope.args(cmd.args.iter().cloned()))
}

/// Ends a stage of an earlier launch that still waits, because the profile has no such entries any more.
pub(in crate::run) fn cancel(job: &Job) -> Result<(), Problem> {
    let is_launch = job.profile.stage == RunStage::Launch;
    if !is_launch || !job.profile.post_start.entries.is_empty() || !stage_folder(&job.root, &job.profile.name).is_dir()
    {
        return Ok(());
    }
    Ok(forget_present(&job.root, &job.profile.name)?)
}

/// Copies files to the folder of a launch.
fn copy_all(
    root: &Path,
    launched: &Launched,
    files: BTreeMap<PathBuf, (String, Option<Digest>)>,
) -> Result<BTreeMap<PathBuf, CopiedFile>, Problem> {
    let folder = copies(root, &launched.profile, &launched.run);
    fs::create_dirs(&stage_folder(root, &launched.profile), 0o700)?;
    fs::create_dirs(&folder, 0o700)?;
    let mut copied_files = BTreeMap::new();
    for (path, (name, expected)) in files {
        let unread = |error: std::io::Error| Problem::refused(format!("`{name}` could not be read: {error}"));
        let bytes = std::fs::read(&path).map_err(unread)?;
        let found = Digest::sha256(&bytes);
        if expected.is_some_and(|expected| expected != found) {
            let hint = "run nodeagent again; if it happens again, check the digest in the profile".to_owned();
            return Err(Problem::refused(format!("`{name}` changed during the run")).hint(hint));
        }
        fs::replace(&copied(&folder, &path), &bytes, Attributes::mode(0o600))?;
        let sha256 = found.hex().to_owned();
        copied_files.insert(path, CopiedFile { name, sha256 });
    }
    Ok(copied_files)
}
