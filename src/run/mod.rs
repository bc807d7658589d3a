//! One run: inspect the node, plan, take the lock, prepare, act, and report the result.

mod bake;
mod bucket_folders;
mod engine;
mod grants;
mod job;
mod lock;
mod locked_addresses;
mod logins;
mod not_received;
mod paths;
mod post_start;
mod receive;
mod recovery;
mod responsive;
mod run_lock;
mod signature_verifier;
mod signed_addresses;
mod signed_file;
mod stop;
mod trust;
mod with_secrets;

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use nix::unistd::Uid;

use crate::{
    inventory::Vault,
    kinds::{Kind, Node, Plan, Step},
    problem::Problem,
    profile::RunStage,
    report::event::{EventKind, FORMAT, Outcome, StoreUse},
    state::{Journal, Receipt},
    steps::{Context, Decided, logins::Logins},
    store::Store,
};
pub use bake::{Bakes, bake};
pub use bucket_folders::list_bucket_folders;
pub use grants::{AccessCheck, Granted, use_of};
pub use job::{Job, StageOptions, pass_environment};
use job::{in_own_thread, runner, warn};
pub use lock::resolve_lock;
pub use logins::fetch_logins;
pub use paths::cache;
pub use post_start::{Launched, Waited, begin_session, begin_stage, wait_until_ready};
use post_start::{StageStart, cancel};
use recovery::{has_leftover_logins, recover};
pub use responsive::{RemoteFolder, Unresponsive};
use run_lock::take_lock;
pub use stop::Stop;
pub use with_secrets::with_secrets;

/// The time that a run waits at its end for uploads to the shared store.
const UPLOAD_TIMEOUT: Duration = Duration::from_secs(20);

/// The exit status of a run.
pub fn exit_code(outcome: Outcome, strict: bool) -> u8 {
    match outcome {
        Outcome::Done => 0,
        Outcome::Degraded => {
            if strict {
                3
            } else {
                0
            }
        }
        Outcome::Failed | Outcome::Interrupted => 1,
        Outcome::Refused => 2,
        Outcome::DeadlinePassed => 4,
    }
}

/// Brings the node to the state of the profile, unless `stop` ends the run earlier.
pub async fn run(job: &Arc<Job>, stop: &Stop) -> Outcome {
    job.events.send(EventKind::RunStarted {
        format: FORMAT,
        run: job.run.clone(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        profile: job.profile.name.clone(),
        sources: job.profile.sources.clone(),
        node: serde_json::to_value(&job.facts).unwrap_or_default(),
        stage: None,
    });
    continue_run(job, stop).await
}

/// The same for a run that has sent its first event.
pub async fn continue_run(job: &Arc<Job>, stop: &Stop) -> Outcome {
    let (outcome, refusals) = match Box::pin(attempt(job, stop)).await {
        Ok(outcome) => (outcome, Vec::new()),
        Err(refusals) => (Outcome::Refused, refusals),
    };
    job.events.send(EventKind::RunFinished { outcome, exit_code: exit_code(outcome, job.strict), refusals });
    outcome
}

/// The run. The error is the reason why nothing was changed.
async fn attempt(job: &Arc<Job>, stop: &Stop) -> Result<Outcome, Vec<Problem>> {
    job.clouds.http.use_variables(&job.profile.sections.env.of_run(&job.facts.env), &job.facts.env);
    let (mut node, mut plan) = match inspect_and_plan(job, stop).await? {
        Ok(planned) => planned,
        Err(outcome) => return Ok(outcome),
    };
    let interrupted = Journal::interrupted::<Kind>(&job.root);
    let is_recorded = |node: &Node, plan: &Plan| {
        job.profile.stage == RunStage::Launch || node.inventory.receipt.is_post_start(&job.profile.name, &plan.items)
    };
    let is_ready = plan.steps.is_empty()
        && is_recorded(&node, &plan)
        // The post-start stage may need files whose signature is not verified yet.
        && (node.unverified.is_empty() || plan.later_files.is_empty());
    if is_ready && interrupted.is_empty() && !has_leftover_logins(&job.root) {
        // A ready node needs no lock: nothing is changed, and no other run has to wait.
        announce(job, &plan);
        return start_stage(job, &node, &plan).await;
    }
    if job.root == Path::new("/") && !Uid::effective().is_root() {
        let mut failure = Problem::new("the node is not ready, and only root may change it".to_owned());
        failure.hint = Some("run nodeagent as root; `nodeagent plan` does not need root".into());
        return Err(vec![failure]);
    }
    let lock = match take_lock(job, stop).await? {
        Ok(lock) => lock,
        Err(outcome) => return Ok(outcome),
    };
    let waited_or_repaired = lock.waited | recover(job)?;
    if waited_or_repaired {
        match inspect_and_plan(job, stop).await? {
            Ok(planned) => (node, plan) = planned,
            Err(outcome) => return Ok(outcome),
        }
    }
    if !node.unverified.is_empty() {
        tokio::select! {
            planned = verify_signed(job, &mut node, &plan) => plan = planned?,
            outcome = stop.requested() => return Ok(outcome),
        }
    }
    announce(job, &plan);
    if job.profile.stage == RunStage::PostStart {
        // Before any change: after a kill, the next launch must not take these items back.
        Receipt::update(&job.root, |receipt| receipt.set_post_start(&job.profile.name, &plan.items))
            .map_err(|error| vec![Problem::from(error)])?;
    }
    if plan.steps.is_empty() {
        return start_stage(job, &node, &plan).await;
    }
    let journal = Journal::begin(&job.root).map_err(|error| vec![Problem::from(error)])?;
    let (journal, plan) = (Arc::new(Mutex::new(journal)), Arc::new(plan));
    let mut ctx = context(job, &plan, &node.inventory.vault);
    let trusted = tokio::select! {
        trusted = trust::trust_all(job, &plan, &node.inventory, &mut ctx) => trusted,
        outcome = stop.requested() => return Ok(outcome),
    };
    if let Err(refusals) = trusted {
        let _ = journal.lock().unwrap_or_else(PoisonError::into_inner).finish();
        return Err(refusals);
    }
    let vault = std::mem::take(&mut node.inventory.vault);
    let options = engine::ExecutionOptions { run: job.run.clone(), vault, keep_going: job.keep_going };
    let mut start = StageStart::of(job, &node, &plan);
    let also = async {
        match &mut start {
            Some(start) => Box::pin(start.prepare(job, &ctx, &plan)).await,
            None => Ok(()),
        }
    };
    let outcome = Box::pin(engine::execute(&plan, &ctx, &journal, options, also, stop)).await;
    let store = ctx.store.clone();
    // No password may stay in a file, whatever the result.
    drop(ctx);
    let outcome = match outcome {
        Ok(outcome) => started(job, start.as_ref(), outcome),
        Err(refusals) => {
            if let Some(start) = &start {
                start.discard(&job.root);
            }
            // Nothing has begun. A journal that cannot be removed has no entry, so the next run ignores it.
            let _ = journal.lock().unwrap_or_else(PoisonError::into_inner).finish();
            return Err(refusals);
        }
    };
    tokio::select! {
        () = store.settle(UPLOAD_TIMEOUT) => {}
        _ = stop.requested() => {}
    }
    let used = store.used();
    if used != StoreUse::default() {
        job.events.send(EventKind::StoreUsed { store: used });
    }
    // After an interruption the journal stays: it lists the work that may be partial.
    if let Err(error) = journal.lock().unwrap_or_else(PoisonError::into_inner).finish() {
        warn(job, error.to_string());
    }
    drop(lock);
    Ok(outcome)
}

/// Verifies signed files on servers that this node has not verified yet, and plans with their digests.
async fn verify_signed(job: &Arc<Job>, node: &mut Node, plan: &Plan) -> Result<Plan, Vec<Problem>> {
    let ctx = context(job, plan, &node.inventory.vault);
    let failures = signed_addresses::pin(job, &ctx, plan, node).await?;
    let mut plan = node.plan(&job.profile, &job.facts, &cache(&job.root));
    signed_addresses::note(&failures, &mut plan);
    fetch_logins(&mut plan, &mut node.inventory.vault, &job.clouds).await;
    if plan.refusals.is_empty() { Ok(plan) } else { Err(plan.refusals) }
}

/// Starts the post-start stage from a node that needs no step.
async fn start_stage(job: &Arc<Job>, node: &Node, plan: &Plan) -> Result<Outcome, Vec<Problem>> {
    let mut start = StageStart::of(job, node, plan);
    if let Some(start) = &mut start {
        let ctx = context(job, plan, &node.inventory.vault);
        Box::pin(start.prepare(job, &ctx, plan)).await?;
    }
    Ok(started(job, start.as_ref(), Outcome::Done))
}

/// Starts the stage after a launch that succeeded. A launch whose stage does not start is degraded.
fn started(job: &Job, start: Option<&StageStart>, outcome: Outcome) -> Outcome {
    let started = match (start, outcome) {
        (Some(start), Outcome::Done | Outcome::Degraded) => start.start(job),
        (Some(start), _) => {
            start.discard(&job.root);
            warn(job, "the stage `post-start` does not start, because the launch did not succeed".to_owned());
            Ok(())
        }
        (None, _) => cancel(job),
    };
    match started {
        Ok(()) => outcome,
        Err(problem) => {
            warn(job, format!("the stage `post-start` does not start: {}", problem.one_line()));
            if outcome == Outcome::Done { Outcome::Degraded } else { outcome }
        }
    }
}

/// Inspects the node and plans. A file store that hangs must not outlast the deadline, so this has its own thread.
async fn inspect_and_plan(job: &Arc<Job>, stop: &Stop) -> Result<Result<(Node, Plan), Outcome>, Vec<Problem>> {
    let own_job = Arc::clone(job);
    let planned = async {
        let (mut granted, vault) = fetch_secrets(&own_job).await?;
        let clouds = Arc::clone(&own_job.clouds);
        let (mut node, mut plan) = in_own_thread(&own_job, |job| plan_now(job, vault)).await?;
        fetch_logins(&mut plan, &mut node.inventory.vault, &clouds).await;
        granted.write_down(&node.inventory.vault, own_job.audit.as_ref());
        if let Some(error) = granted.audit_error {
            warn(&own_job, format!("the audit log is incomplete: {error}"));
        }
        clouds.take_warnings().into_iter().for_each(|warning| warn(&own_job, warning));
        if plan.refusals.is_empty() { Ok((node, plan)) } else { Err(plan.refusals) }
    };
    tokio::select! {
        planned = planned => planned.map(Ok),
        outcome = stop.requested() => {
            if outcome == Outcome::DeadlinePassed {
                let text = "the inspection of the node did not end in time: a service that has secrets, or a file system, \
                            does not answer";
                warn(job, text.to_owned());
            }
            Ok(Err(outcome))
        }
    }
}

/// Decides about access, trusts the certificates of the profile, and fetches the secrets.
async fn fetch_secrets(job: &Arc<Job>) -> Result<(Granted, Vault), Vec<Problem>> {
    let check = access_check(job);
    let granted = check.decide().await?;
    trust::trust_files(job).await;
    Ok(check.fetch_granted(granted).await)
}

fn access_check(job: &Job) -> AccessCheck<'_> {
    AccessCheck {
        profile: &job.profile,
        facts: &job.facts,
        access: &job.access,
        clouds: &job.clouds,
        root: &job.root,
        audit: job.audit.as_ref(),
    }
}

fn node(job: &Job, vault: Vault) -> Result<Node, Vec<Problem>> {
    Node::look(&job.profile, &job.filestore, &job.facts, &job.root, vault)
        .map_err(|error| vec![Problem::new(format!("the node's package state could not be read: {error}"))])
}

fn plan_now(job: &Job, vault: Vault) -> Result<(Node, Plan), Vec<Problem>> {
    let mut node = node(job, vault)?;
    node.pin(&job.profile, &job.pinned);
    node.launched_commits.clone_from(&job.commits);
    node.pin_signed(&job.profile, &job.filestore, &job.facts, &cache(&job.root));
    let plan = node.plan(&job.profile, &job.facts, &cache(&job.root));
    if plan.refusals.is_empty() { Ok((node, plan)) } else { Err(plan.refusals) }
}

fn announce(job: &Job, plan: &Plan) {
    let steps = plan.steps.iter().map(Step::summary).collect();
    let lock = plan.lock.iter().map(|lock| format!("lock: {}, serial {}", lock.file, lock.serial));
    let ready = lock.chain(plan.ready.iter().cloned()).collect();
    let later = plan.later.iter().map(|step| step.entry.clone()).collect();
    job.events.send(EventKind::PlanMade { steps, ready, later });
}

fn context(job: &Arc<Job>, plan: &Plan, vault: &Vault) -> Context {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let build_slots = jobserver::Client::new(cores).ok();
    let runner = runner(job, build_slots.clone(), BTreeMap::new());
    let logins = plan.steps.iter().flat_map(|step| &step.logins).chain(&plan.later_logins);
    let logins = Logins::of_steps(logins, vault, &job.root);
    job.clouds.http.set_logins(logins.for_http());
    Context {
        runner,
        http: Arc::clone(&job.clouds.http),
        clouds: Arc::clone(&job.clouds),
        store: store(job),
        root: job.root.clone(),
        cache: cache(&job.root),
        filestore: job.filestore.clone(),
        logs: job.logs.clone(),
        cores,
        waits_for_disk: job.facts.waits_for_disk,
        build_slots,
        logins,
        package_lists: Arc::default(),
        decided: Decided::default(),
        progress: job.events.of_step(""),
    }
}

/// Opens the node's store. Files and connections are opened at the first use.
fn store(job: &Arc<Job>) -> Store {
    let also = Arc::clone(job);
    Store::open(&job.store_locations, &job.clouds, Arc::new(move |text| warn(&also, text)))
}
