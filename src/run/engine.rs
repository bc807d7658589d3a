//! Carries out a plan: everything prepares at once, then each step acts when what it needs is done and its lane is
//! free. Nothing acts before every step that may refuse the run has been heard.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use futures::future::join_all;
use tokio::sync::{Mutex as Lock, watch};

use super::Stop;
use crate::{
    inventory::Vault,
    kinds::{Prepared, act, clean_up_interrupted, may_refuse, prepare},
    plan::{Lane, Plan, Step, StepId},
    problem::Problem,
    report::event::{Outcome, StepStatus},
    state::{Interrupted, Journal},
    steps::{Context, stage},
};

/// How long children may take to end after they were asked to.
const GRACE: Duration = Duration::from_secs(8);
const GRACE_INTERVAL: Duration = Duration::from_millis(50);

/// Carries out a plan. The error is why nothing was changed.
pub(super) async fn execute(
    plan: &Plan,
    ctx: &Context,
    vault: &Vault,
    journal: &mut Journal,
    run: &str,
    stop: &Stop,
) -> Result<Outcome, Vec<Problem>> {
    let board = Board::new(plan, journal, run);
    let steps = join_all(plan.steps.iter().enumerate().map(|(index, step)| board.step(index, step, ctx, vault, stop)));
    tokio::pin!(steps);
    let stopped = tokio::select! {
        _ = &mut steps => None,
        // Downloads that are still under way have lost their purpose.
        () = board.refused() => None,
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
    // Steps that see the request before we do leave the board unfinished.
    if let Some(outcome) = stopped.or_else(|| stop.reason().filter(|_| !board.is_finished())) {
        board.close(plan, ctx);
        return Ok(outcome);
    }
    let refusals = std::mem::take(&mut *lock(&board.refusals));
    if refusals.is_empty() { Ok(board.outcome(plan)) } else { Err(refusals) }
}

async fn until_idle(ctx: &Context) {
    // A child that just ended may be followed by what its step does next; two looks in a row tell.
    let mut idle = 0;
    while idle < 4 {
        tokio::time::sleep(GRACE_INTERVAL).await;
        idle = if ctx.runner.is_idle() { idle + 1 } else { 0 };
    }
}

/// What the steps of a run tell each other.
struct Board<'a> {
    run: &'a str,
    steps: &'a [Step],
    journal: Mutex<&'a mut Journal>,
    /// How each step ended, for those that need it.
    ended: Vec<watch::Sender<Option<StepStatus>>>,
    begun: Vec<Mutex<bool>>,
    /// Steps that may still refuse the run.
    undecided: watch::Sender<usize>,
    refusals: Mutex<Vec<Problem>>,
    lanes: BTreeMap<Lane, Lock<()>>,
}

impl<'a> Board<'a> {
    fn new(plan: &'a Plan, journal: &'a mut Journal, run: &'a str) -> Self {
        Self {
            run,
            steps: &plan.steps,
            journal: Mutex::new(journal),
            ended: plan.steps.iter().map(|_| watch::Sender::new(None)).collect(),
            begun: plan.steps.iter().map(|_| Mutex::new(false)).collect(),
            undecided: watch::Sender::new(plan.steps.iter().filter(|step| decides(step)).count()),
            refusals: Mutex::default(),
            lanes: plan.steps.iter().filter_map(|step| Some((step.lane.clone()?, Lock::new(())))).collect(),
        }
    }

    /// One step from preparation to its end.
    async fn step(&self, index: usize, step: &Step, ctx: &Context, vault: &Vault, until: &Stop) {
        let mut ctx = ctx.clone();
        ctx.progress = ctx.progress.of_other_step(step.id.to_string());
        ctx.logins = ctx.logins.of_step(&step.logins);
        let ctx = &ctx;
        let prepared = self.prepare(step, ctx).await;
        if self.wait_for_decisions().await.is_err() {
            return; // the run is refused; nothing has begun
        }
        let (status, failure) = match self.turn(step).await {
            Err(skipped) => (StepStatus::Skipped, Some(skipped)),
            Ok(_) if until.reason().is_some() => return,
            Ok(lane) => {
                let result = match prepared {
                    Ok(prepared) => self.act(index, step, ctx, prepared, vault).await,
                    Err(error) => Err(error),
                };
                drop(lane);
                match result {
                    Ok(()) => (StepStatus::Done, None),
                    Err(_) if until.reason().is_some() => return, // it was told to end: that is no failure of its own
                    Err(error) => (StepStatus::Failed, Some(failure_of(step, error))),
                }
            }
        };
        self.end(index, step, ctx, status, failure);
    }

    async fn prepare(&self, step: &Step, ctx: &Context) -> Result<Prepared, Problem> {
        let staged = match &step.doomed {
            Some(failure) => Err(failure.clone()),
            None => stage(ctx, &step.stage).await,
        };
        let early = !may_refuse(&step.action);
        if early && decides(step) {
            self.decide(step, staged.as_ref().err());
        }
        let prepared = match staged {
            Ok(()) => within(step.timeout, prepare(ctx, &step.action)).await,
            Err(error) => Err(error),
        };
        if !early {
            self.decide(step, prepared.as_ref().err());
        }
        prepared
    }

    /// One step that may have refused the run has been heard.
    fn decide(&self, step: &Step, error: Option<&Problem>) {
        if let Some(error) = error.filter(|error| error.refused && !step.optional) {
            lock(&self.refusals).push(failure_of(step, error.clone()));
        }
        self.undecided.send_modify(|count| *count -= 1);
    }

    /// Waits until all that may refuse have been heard. The error: the run is refused.
    async fn wait_for_decisions(&self) -> Result<(), ()> {
        // The sender is ours: it cannot go away.
        let _ = self.undecided.subscribe().wait_for(|&count| count == 0).await;
        if lock(&self.refusals).is_empty() { Ok(()) } else { Err(()) }
    }

    /// Waits until the run is refused.
    async fn refused(&self) {
        if self.wait_for_decisions().await.is_ok() {
            std::future::pending::<()>().await;
        }
    }

    /// Waits until the steps this one needs have ended and its lane is free. The error: a required one failed. An optional
    /// step only comes first: a profile may be whole without it.
    async fn turn(&self, step: &Step) -> Result<Option<tokio::sync::MutexGuard<'_, ()>>, Problem> {
        for need in &step.needs {
            let Some((status, optional)) = self.status_of(need).await else { continue };
            if status != StepStatus::Done && !optional {
                let message = format!("not tried, because `{need}` was not done");
                return Err(Problem { origin: step.origins.first().cloned(), ..Problem::new(message) });
            }
        }
        match &step.lane {
            Some(lane) => Ok(Some(self.lanes[lane].lock().await)),
            None => Ok(None),
        }
    }

    /// How a step ended, once it has, and whether it was optional.
    async fn status_of(&self, need: &StepId) -> Option<(StepStatus, bool)> {
        let index = self.steps.iter().position(|step| step.id == *need)?;
        let status = self.ended[index].subscribe().wait_for(Option::is_some).await.ok().and_then(|status| *status)?;
        Some((status, self.steps[index].optional))
    }

    async fn act(
        &self,
        index: usize,
        step: &Step,
        ctx: &Context,
        prepared: Prepared,
        vault: &Vault,
    ) -> Result<(), Problem> {
        let id = step.id.to_string();
        let left =
            Interrupted { run: self.run.to_owned(), step: id.clone(), items: prepared.journal_items(&step.action) };
        lock(&self.journal).step_begins(self.run, &id, &left.items)?;
        *lock(&self.begun[index]) = true;
        ctx.progress.started();
        let acting = act(ctx, &step.action, prepared, vault);
        let Some(limit) = step.timeout else { return acting.await };
        let Ok(result) = tokio::time::timeout(limit, acting).await else {
            // What a child left when its time was up is half-done just as after a kill. That it could not be cleared
            // away is not what the step failed for; the next run tries again.
            let _ = clean_up_interrupted(&ctx.root, &left);
            return Err(too_late(limit));
        };
        result
    }

    fn end(&self, index: usize, step: &Step, ctx: &Context, status: StepStatus, failure: Option<Problem>) {
        // A journal that cannot be written costs the next run a second look, no more.
        let _ = lock(&self.journal).step_ended(&step.id.to_string());
        ctx.progress.ended(status, failure);
        self.ended[index].send_replace(Some(status));
    }

    fn is_finished(&self) -> bool {
        self.ended.iter().all(|ended| ended.borrow().is_some())
    }

    /// Says of every step that has not ended whether it had begun.
    fn close(&self, plan: &Plan, ctx: &Context) {
        for (index, step) in plan.steps.iter().enumerate() {
            if self.ended[index].borrow().is_none() {
                let begun = *lock(&self.begun[index]);
                let status = if begun { StepStatus::Interrupted } else { StepStatus::NotStarted };
                ctx.progress.of_other_step(step.id.to_string()).ended(status, None);
            }
        }
    }

    fn outcome(&self, plan: &Plan) -> Outcome {
        let done = |index: usize| *self.ended[index].borrow() == Some(StepStatus::Done);
        let undone: Vec<&Step> =
            plan.steps.iter().enumerate().filter(|(index, _)| !done(*index)).map(|(_, step)| step).collect();
        match undone.iter().any(|step| !step.optional) {
            true => Outcome::Failed,
            false if undone.is_empty() => Outcome::Done,
            false => Outcome::Degraded,
        }
    }
}

/// Whether a step must be heard before anything is changed.
fn decides(step: &Step) -> bool {
    may_refuse(&step.action) || !step.stage.is_empty()
}

fn failure_of(step: &Step, error: Problem) -> Problem {
    Problem { origin: error.origin.clone().or_else(|| step.origins.first().cloned()), ..error }
}

async fn within<T>(limit: Option<Duration>, work: impl Future<Output = Result<T, Problem>>) -> Result<T, Problem> {
    let Some(limit) = limit else { return work.await };
    tokio::time::timeout(limit, work).await.unwrap_or_else(|_| Err(too_late(limit)))
}

fn too_late(limit: Duration) -> Problem {
    Problem::new(format!("it did not finish within {}", humantime::format_duration(limit)))
        .hint("raise its `timeout`, or look at the log for what it waited for".to_owned())
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::{path::Path, sync::Arc};

    use super::*;
    use crate::{
        diagnostic::Origin,
        exec::fake::FakeRunner,
        fs::Attributes,
        plan::{Action, StepId, WriteFile},
        report::{Collector, Report, event::Events},
    };

    fn write(id: &str, path: &Path) -> Step {
        let action =
            WriteFile { path: path.to_owned(), bytes: b"x".to_vec(), before: None, attributes: Attributes::default() };
        Step {
            id: StepId(id.to_owned()),
            action: Action::WriteFile(action),
            stage: Vec::new(),
            logins: Vec::new(),
            origins: vec![Origin { file: "x.toml".into(), line: 1, column: 1 }],
            needs: Vec::new(),
            lane: None,
            optional: false,
            timeout: None,
            doomed: None,
        }
    }

    fn failure(message: &str) -> Problem {
        Problem::new(message)
    }

    struct Bench {
        temp: tempfile::TempDir,
        collector: Collector,
        stop: Stop,
        tell: watch::Sender<Option<Outcome>>,
    }

    impl Bench {
        fn new() -> Self {
            let (tell, stop) = Stop::never();
            Self { temp: tempfile::tempdir().expect("a temporary folder"), collector: Collector::default(), stop, tell }
        }

        fn path(&self, name: &str) -> std::path::PathBuf {
            self.temp.path().join(name)
        }

        async fn execute(&self, steps: Vec<Step>) -> (Result<Outcome, Vec<Problem>>, Report) {
            let events = Events::new(vec![Box::new(self.collector.clone())]);
            let plan = Plan { steps, ..Plan::default() };
            let steps = plan.steps.iter().map(Step::summary).collect();
            events.send(crate::report::event::EventKind::PlanMade { steps, ready: Vec::new() });
            let ctx = Context::for_tests(Arc::new(FakeRunner::new()), events.of_step(""));
            let mut journal = Journal::begin(self.temp.path()).expect("a journal");
            let outcome = execute(&plan, &ctx, &Vault::default(), &mut journal, "run", &self.stop).await;
            (outcome, self.collector.report())
        }
    }

    fn status(report: &Report, id: &str) -> StepStatus {
        report.step(id).expect("it is in the plan").status
    }

    #[tokio::test]
    async fn a_step_whose_need_failed_is_not_tried_and_others_are() {
        let bench = Bench::new();
        let mut broken = write("broken", &bench.path("broken"));
        broken.doomed = Some(failure("it cannot be"));
        let mut after = write("after", &bench.path("after"));
        after.needs = vec![StepId("broken".into())];
        let (outcome, report) = bench.execute(vec![broken, after, write("other", &bench.path("other"))]).await;
        assert_eq!(outcome, Ok(Outcome::Failed));
        assert_eq!(status(&report, "broken"), StepStatus::Failed);
        assert_eq!(status(&report, "after"), StepStatus::Skipped);
        assert_eq!(status(&report, "other"), StepStatus::Done);
        assert!(bench.path("other").exists() && !bench.path("after").exists());
    }

    #[tokio::test]
    async fn a_failed_optional_step_orders_the_steps_after_it_and_fails_none_of_them() {
        let bench = Bench::new();
        let mut broken = write("broken", &bench.path("broken"));
        (broken.doomed, broken.optional) = (Some(failure("it cannot be")), true);
        let mut after = write("after", &bench.path("after"));
        after.needs = vec![StepId("broken".into())];
        let (outcome, report) = bench.execute(vec![broken, after]).await;
        assert_eq!(outcome, Ok(Outcome::Degraded));
        assert_eq!(status(&report, "broken"), StepStatus::Failed);
        assert_eq!(status(&report, "after"), StepStatus::Done);
        assert!(bench.path("after").exists());
    }

    #[tokio::test]
    async fn an_optional_step_that_fails_leaves_the_run_degraded() {
        let bench = Bench::new();
        let mut broken = write("broken", &bench.path("broken"));
        (broken.doomed, broken.optional) = (Some(failure("it cannot be")), true);
        let (outcome, _) = bench.execute(vec![broken, write("other", &bench.path("other"))]).await;
        assert_eq!(outcome, Ok(Outcome::Degraded));
    }

    #[tokio::test]
    async fn nothing_acts_when_one_step_refuses_the_run() {
        let bench = Bench::new();
        let mut staged = write("staged", &bench.path("staged"));
        staged.stage = vec![crate::plan::Stage {
            from: crate::profile::Asset::File { path: bench.path("asset"), shown: "asset".into() },
            to: bench.path("cache/asset"),
            digest: crate::digest::Digest::sha256(b"what was promised"),
            says: crate::plan::BY_PROFILE,
            origin: Origin { file: "x.toml".into(), line: 7, column: 1 },
        }];
        crate::fs::replace(&bench.path("asset"), b"something else", Attributes::default()).expect("written");
        let (outcome, _) = bench.execute(vec![staged, write("other", &bench.path("other"))]).await;
        let refusals = outcome.expect_err("the digest is wrong");
        assert_eq!(refusals[0].origin.as_ref().map(|origin| origin.line), Some(7));
        assert!(!bench.path("other").exists() && !bench.path("staged").exists());
    }

    #[tokio::test]
    async fn a_run_that_is_told_to_stop_says_what_was_not_begun() {
        let bench = Bench::new();
        bench.tell.send(Some(Outcome::DeadlinePassed)).expect("somebody listens");
        let (outcome, report) = bench.execute(vec![write("a", &bench.path("a"))]).await;
        assert_eq!(outcome, Ok(Outcome::DeadlinePassed));
        assert_eq!(status(&report, "a"), StepStatus::NotStarted);
        assert!(!bench.path("a").exists());
    }
}
