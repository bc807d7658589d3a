//! Executes a plan. All steps prepare concurrently. A step acts when its dependencies have ended and its lane is free.
//! No step acts until every step that can refuse the run is prepared. Each step has its own thread, so that a step that
//! waits for the disk does not stall the others.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use futures::future::join_all;
use tokio::sync::{Mutex as Lock, MutexGuard as LaneGuard, watch};

use super::Stop;
use crate::{
    inventory::Vault,
    kinds::{Kind, Plan, Prepared, Step, clean_up_interrupted, journal_items},
    plan::{Lane, Phase, Reason, StepId},
    problem::Problem,
    report::event::{Outcome, StepStatus},
    state::{Interrupted, Journal, Receipt, boot_id},
    steps::{Context, Decided, stage},
    task::Threads,
};

/// The time that child processes have to end after SIGTERM.
const GRACE: Duration = Duration::from_secs(8);
const GRACE_INTERVAL: Duration = Duration::from_millis(50);

/// The inputs of an execution besides the plan.
pub(super) struct ExecutionOptions {
    /// The run's name.
    pub(super) run: String,
    /// The secrets, fetched.
    pub(super) vault: Vault,
    /// Whether further steps start after a required step has failed.
    pub(super) keep_going: bool,
}

/// Executes a plan. `also` is further work before the gate, which may refuse the run, too. The error is the reason why
/// nothing was changed.
pub(super) async fn execute(
    plan: &Arc<Plan>,
    ctx: &Context,
    journal: &Arc<Mutex<Journal>>,
    options: ExecutionOptions,
    also: impl Future<Output = Result<(), Vec<Problem>>>,
    stop: &Stop,
) -> Result<Outcome, Vec<Problem>> {
    let state = Arc::new(RunState::new(Arc::clone(plan), Arc::clone(journal), options));
    let also = async {
        if let Err(refusals) = also.await {
            lock(&state.refusals).extend(refusals);
        }
        state.undecided.send_modify(|count| *count -= 1);
    };
    let steps = join_all((0..plan.steps.len()).map(|index| state.step(index, ctx, stop)));
    let steps = async { tokio::join!(also, steps) };
    tokio::pin!(steps);
    let stopped = tokio::select! {
        _ = &mut steps => None,
        // Downloads that are still running are no longer needed.
        () = state.refused() => None,
        outcome = stop.requested() => {
            ctx.runner.interrupt();
            let _ = tokio::time::timeout(GRACE, async {
                tokio::select! {
                    _ = &mut steps => {}
                    () = until_idle(ctx) => {}
                }
            })
            .await;
            Some(outcome)
        }
    };
    // Running threads stop and end the programs that they started.
    // A thread that blocks in the kernel must not outlast the deadline. The journal names its step.
    let _ = tokio::time::timeout(GRACE, state.threads.end()).await;
    // Steps that see the request before this function does end without a status.
    if let Some(outcome) = stopped.or_else(|| stop.reason().filter(|_| !state.is_finished())) {
        state.close(ctx);
        return Ok(outcome);
    }
    let refusals = std::mem::take(&mut *lock(&state.refusals));
    if refusals.is_empty() { Ok(state.outcome()) } else { Err(refusals) }
}

async fn until_idle(ctx: &Context) {
    // The next program of a step may follow a child that just ended, so the check is repeated.
    let mut idle = 0;
    while idle < 4 {
        tokio::time::sleep(GRACE_INTERVAL).await;
        idle = if ctx.runner.is_idle() { idle + 1 } else { 0 };
    }
}

/// The result of a preparation, and the total and the remaining time of the step. No result if the run was halted.
type Preparation = (Option<Result<Prepared, Problem>>, Option<(Duration, Duration)>);

/// The state that the steps of a run share.
struct RunState {
    plan: Arc<Plan>,
    options: ExecutionOptions,
    journal: Arc<Mutex<Journal>>,
    /// The results of steps that ended.
    ended: Vec<watch::Sender<Option<StepStatus>>>,
    begun: Vec<AtomicBool>,
    /// The steps that can no longer refuse the run.
    decided: Vec<AtomicBool>,
    /// The number of steps that may still refuse the run, and 1 for the further work before the gate.
    undecided: watch::Sender<usize>,
    refusals: Mutex<Vec<Problem>>,
    /// Whether a required step has failed, so that no further step starts.
    halted: watch::Sender<bool>,
    lanes: BTreeMap<Lane, Lock<()>>,
    /// The steps whose partial work could not be removed. The journal keeps them.
    unclean: Vec<AtomicBool>,
    /// The threads of steps.
    threads: Threads,
}

impl RunState {
    fn new(plan: Arc<Plan>, journal: Arc<Mutex<Journal>>, options: ExecutionOptions) -> Self {
        Self {
            journal,
            ended: plan.steps.iter().map(|_| watch::Sender::new(None)).collect(),
            begun: plan.steps.iter().map(|_| AtomicBool::new(false)).collect(),
            decided: plan.steps.iter().map(|step| AtomicBool::new(!decides(&plan, step))).collect(),
            // The further work before the gate counts as one.
            undecided: watch::Sender::new(plan.steps.iter().filter(|step| decides(&plan, step)).count() + 1),
            unclean: plan.steps.iter().map(|_| AtomicBool::new(false)).collect(),
            refusals: Mutex::default(),
            halted: watch::Sender::new(false),
            lanes: plan.steps.iter().filter_map(|step| Some((step.lane.clone()?, Lock::new(())))).collect(),
            threads: Threads::default(),
            plan,
            options,
        }
    }

    /// The context of one step.
    fn context_of(step: &Step, ctx: &Context) -> Context {
        let mut ctx = ctx.clone();
        ctx.progress = ctx.progress.of_other_step(step.id.to_string());
        ctx.logins = ctx.logins.of_step(&step.logins);
        ctx
    }

    /// Runs work in a separate thread until it is done. `None` if the time limit was exceeded.
    async fn in_thread<T: Send + 'static>(
        self: &Arc<Self>,
        ctx: &Context,
        limit: Option<Duration>,
        work: impl AsyncFnOnce(Arc<Self>, Context) -> T + Send + 'static,
    ) -> Option<T> {
        let (state, ctx) = (Arc::clone(self), ctx.clone());
        self.threads.run(limit, async move || work(state, ctx).await).await
    }

    /// Runs one step from preparation to its end.
    async fn step(self: &Arc<Self>, index: usize, ctx: &Context, stop: &Stop) {
        let planned = &self.plan.steps[index];
        let ctx = &Self::context_of(planned, ctx);
        let early = match self.stage(index, ctx).await {
            Err(error) => Some((Some(Err(error)), None)),
            Ok(()) if waits_for_files(&self.plan, planned) => None,
            Ok(()) => Some(self.prepare(index, ctx).await),
        };
        let problem = early.as_ref().and_then(|(prepared, _)| prepared.as_ref()?.as_ref().err());
        self.conclude(index, problem);
        if self.wait_for_decisions().await.is_err() {
            return; // the run is refused; nothing has begun
        }
        let (status, problem) = match self.wait_for_dependencies_and_lane(planned).await {
            Err(skipped) => (StepStatus::Skipped, Some(skipped)),
            Ok(_) if stop.reason().is_some() => return,
            Ok(lane) => {
                let (prepared, limit) = match early {
                    Some(early) => early,
                    None => self.prepare(index, ctx).await,
                };
                let result = match prepared {
                    Some(Err(error)) => Err(error),
                    Some(Ok(prepared)) if !*self.halted.borrow() => self.act(index, ctx, prepared, limit).await,
                    _ => return self.end(index, ctx, StepStatus::NotStarted, None),
                };
                drop(lane);
                match result {
                    Ok(()) => (StepStatus::Done, None),
                    Err(_) if stop.reason().is_some() => return, // the run ended the step, so the step did not fail
                    Err(error) => (StepStatus::Failed, Some(with_origin(planned, error))),
                }
            }
        };
        self.end(index, ctx, status, problem);
    }

    /// Copies the files that a step uses from the file store. A wrong digest refuses the run.
    async fn stage(self: &Arc<Self>, index: usize, ctx: &Context) -> Result<(), Problem> {
        let step = &self.plan.steps[index];
        if let Some(problem) = &step.known_failure {
            return Err(problem.clone());
        }
        if step.stage.is_empty() {
            return Ok(());
        }
        let stage = async move |state: Arc<Self>, ctx| stage(&ctx, &state.plan.steps[index].stage).await;
        self.in_thread(ctx, None, stage).await.unwrap_or(Ok(()))
    }

    /// Prepares a step, unless the run is halted meanwhile.
    async fn prepare(self: &Arc<Self>, index: usize, ctx: &Context) -> Preparation {
        let step = &self.plan.steps[index];
        if !step.action.can_refuse() {
            self.decide(index);
        }
        let prepare = async move |state: Arc<Self>, mut ctx: Context| {
            let also = Arc::clone(&state);
            ctx.decided = Decided::to(move || also.decide(index));
            state.plan.steps[index].action.prepare(&ctx).await
        };
        let (began, limit) = (Instant::now(), step.timeout);
        let prepared = tokio::select! {
            biased;
            () = self.halted() => None,
            prepared = self.in_thread(ctx, limit, prepare) => Some(prepared),
        };
        let too_late = || Err(too_late(limit.unwrap_or_default()));
        let prepared = prepared.map(|prepared| prepared.unwrap_or_else(too_late));
        (prepared, limit.map(|limit| (limit, limit.saturating_sub(began.elapsed()))))
    }

    /// Records a refusal, unless the step could no longer refuse the run. After this it cannot.
    fn conclude(&self, index: usize, problem: Option<&Problem>) {
        let step = &self.plan.steps[index];
        if let Some(problem) = problem.filter(|problem| problem.refused && !step.optional)
            && !self.decided[index].load(Ordering::Acquire)
        {
            lock(&self.refusals).push(with_origin(step, problem.clone()));
        }
        self.decide(index);
    }

    /// Records that a step can no longer refuse the run.
    fn decide(&self, index: usize) {
        if !self.decided[index].swap(true, Ordering::AcqRel) {
            self.undecided.send_modify(|count| *count -= 1);
        }
    }

    /// Waits until no step can refuse the run. The error means that the run is refused.
    async fn wait_for_decisions(&self) -> Result<(), ()> {
        // The sender is part of this state, so the channel cannot close.
        let _ = self.undecided.subscribe().wait_for(|&count| count == 0).await;
        if lock(&self.refusals).is_empty() { Ok(()) } else { Err(()) }
    }

    /// Waits until the run is refused.
    async fn refused(&self) {
        if self.wait_for_decisions().await.is_ok() {
            std::future::pending::<()>().await;
        }
    }

    /// Waits until no further step may start.
    async fn halted(&self) {
        let _ = self.halted.subscribe().wait_for(|halted| *halted).await;
    }

    /// Waits until the dependencies of a step have ended and its lane is free. The error means that a required
    /// dependency failed. The failure of an optional dependency does not block the step.
    async fn wait_for_dependencies_and_lane(&self, step: &Step) -> Result<Option<LaneGuard<'_, ()>>, Problem> {
        for need in &step.needs {
            let Some((status, optional)) = self.status_of(&need.step).await else { continue };
            match status {
                StepStatus::Failed | StepStatus::Skipped if !optional => {
                    let problem = Problem::new(format!("not tried, because `{}` was not done", need.step));
                    return Err(with_origin(step, problem));
                }
                _ => {}
            }
        }
        match &step.lane {
            Some(lane) => Ok(Some(self.lanes[lane].lock().await)),
            None => Ok(None),
        }
    }

    /// The result of a step that ended, and whether the step was optional.
    async fn status_of(&self, need: &StepId) -> Option<(StepStatus, bool)> {
        let index = self.plan.steps.iter().position(|step| step.id == *need)?;
        let status = self.ended[index].subscribe().wait_for(Option::is_some).await.ok().and_then(|status| *status)?;
        Some((status, self.plan.steps[index].optional))
    }

    /// Acts within the remaining time of the step. `limit` is the total and the remaining time.
    async fn act(
        self: &Arc<Self>,
        index: usize,
        ctx: &Context,
        prepared: Prepared,
        limit: Option<(Duration, Duration)>,
    ) -> Result<(), Problem> {
        let step = &self.plan.steps[index];
        let left: Interrupted<Kind> = Interrupted {
            run: self.options.run.clone(),
            step: step.id.to_string(),
            kind: step.action.of_kind(),
            items: journal_items(&step.action, &prepared),
            boot: boot_id(&ctx.root),
        };
        lock(&self.journal).step_begins(&left)?;
        if self.plan.is_watched(step) {
            // Before the change: after a kill the next run must know that a service does not have it yet.
            Receipt::update(&ctx.root, |receipt| receipt.note_change(&step.entries, &self.options.run))?;
        }
        self.begun[index].store(true, Ordering::Relaxed);
        ctx.progress.started();
        let act = async move |state: Arc<Self>, ctx| {
            state.plan.steps[index].action.act(&ctx, prepared, &state.options.vault).await
        };
        let Some(result) = self.in_thread(ctx, limit.map(|(_, rest)| rest), act).await else {
            // A killed child leaves partial work, as a killed run does. If the cleanup fails, the next run repeats it.
            if clean_up_interrupted(&ctx.root, &left).is_err() {
                self.unclean[index].store(true, Ordering::Relaxed);
            }
            return Err(too_late(limit.map(|(limit, _)| limit).unwrap_or_default()));
        };
        result
    }

    fn end(&self, index: usize, ctx: &Context, status: StepStatus, problem: Option<Problem>) {
        let step = &self.plan.steps[index];
        if !self.unclean[index].load(Ordering::Relaxed) {
            // Without this journal entry the next run only repeats a check.
            let _ = lock(&self.journal).step_ended(&step.id.to_string());
        }
        ctx.progress.ended(status, problem);
        if status == StepStatus::Failed && !step.optional && !self.options.keep_going {
            self.halted.send_replace(true);
        }
        self.ended[index].send_replace(Some(status));
    }

    fn is_finished(&self) -> bool {
        self.ended.iter().all(|ended| ended.borrow().is_some())
    }

    /// Sets the status of every step that has not ended: interrupted if it has begun, else not run.
    fn close(&self, ctx: &Context) {
        for (index, step) in self.plan.steps.iter().enumerate() {
            if self.ended[index].borrow().is_none() {
                let begun = self.begun[index].load(Ordering::Relaxed);
                let status = if begun { StepStatus::Interrupted } else { StepStatus::NotStarted };
                ctx.progress.of_other_step(step.id.to_string()).ended(status, None);
            }
        }
    }

    fn outcome(&self) -> Outcome {
        let is_done = |index: usize| *self.ended[index].borrow() == Some(StepStatus::Done);
        let steps = self.plan.steps.iter().enumerate();
        let undone: Vec<&Step> = steps.filter(|(index, _)| !is_done(*index)).map(|(_, step)| step).collect();
        match undone.iter().any(|step| !step.optional) {
            true => Outcome::Failed,
            false if undone.is_empty() => Outcome::Done,
            false => Outcome::Degraded,
        }
    }
}

/// Whether a step must be prepared before anything is changed.
fn decides(plan: &Plan, step: &Step) -> bool {
    !step.stage.is_empty() || (step.action.can_refuse() && !waits_for_files(plan, step))
}

/// Whether a step waits for a file that this run writes, such as `/etc/pip.conf`, or for a program that it installs.
/// Its tool may need it, so the step prepares when it exists. At that time the step can no longer refuse the run.
fn waits_for_files(plan: &Plan, step: &Step) -> bool {
    // Preparations need no step of this phase: certificates and variables of the profile apply to the whole run, and no
    // preparation reads accounts or settings of the system.
    let needs = || step.needs.iter().filter(|need| !matches!(need.reason, Reason::Phase(Phase::Accounts, _)));
    let mut needed = plan.steps.iter().filter(|other| needs().any(|need| need.step == other.id));
    step.action.can_refuse() && (step.prepares_late || needed.any(|other| !other.action.can_refuse()))
}

fn with_origin(step: &Step, problem: Problem) -> Problem {
    Problem { origin: problem.origin.clone().or_else(|| step.origins.first().cloned()), ..problem }
}

fn too_late(limit: Duration) -> Problem {
    Problem::new(format!("it did not finish within {}", humantime::format_duration(limit)))
        .hint("raise its `timeout`, or read the log for the reason of the delay".to_owned())
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
