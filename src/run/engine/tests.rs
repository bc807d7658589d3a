use std::{path::Path, sync::Arc};

use super::*;
use crate::{
    diagnostic::Origin,
    exec::fake::FakeRunner,
    fs::Attributes,
    kinds::Action,
    plan::{Need, Phase, Reason, StepId, WriteFile},
    report::{Collector, Report, event::Events},
};

fn write(id: &str, path: &Path) -> Step {
    let action = WriteFile {
        path: path.to_owned(),
        bytes: b"x".to_vec(),
        before: None,
        attributes: Attributes::default(),
        item: None,
    };
    let step = Step::for_tests(id, Action::Shell(action), Phase::Settings);
    Step { entries: vec![format!("shell.{id}")], ..step }
}

fn after(mut step: Step, first: &str) -> Step {
    let origin = step.origins[0].clone();
    step.needs = vec![Need { step: StepId(first.to_owned()), reason: Reason::After(origin) }];
    step
}

fn failure(message: &str) -> Problem {
    Problem::new(message)
}

struct Bench {
    temp: tempfile::TempDir,
    collector: Collector,
    stop: Stop,
    stop_sender: watch::Sender<Option<Outcome>>,
}

impl Bench {
    fn new() -> Self {
        let (stop_sender, stop) = Stop::never();
        Self {
            temp: tempfile::tempdir().expect("a temporary folder"),
            collector: Collector::default(),
            stop,
            stop_sender,
        }
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.temp.path().join(name)
    }

    async fn execute(&self, steps: Vec<Step>) -> (Result<Outcome, Vec<Problem>>, Report) {
        self.execute_with(steps, false).await
    }

    async fn execute_with(&self, steps: Vec<Step>, keep_going: bool) -> (Result<Outcome, Vec<Problem>>, Report) {
        let events = Events::new(vec![Box::new(self.collector.clone())]);
        let plan = Arc::new(Plan { steps, ..Plan::default() });
        let steps = plan.steps.iter().map(Step::summary).collect();
        events.send(crate::report::event::EventKind::PlanMade { steps, ready: Vec::new(), later: Vec::new() });
        let ctx = Context::for_tests(Arc::new(FakeRunner::new()), events.of_step(""));
        let journal = Arc::new(Mutex::new(Journal::begin(self.temp.path()).expect("a journal")));
        let options = ExecutionOptions { run: "run".to_owned(), vault: Vault::default(), keep_going };
        let outcome = execute(&plan, &ctx, &journal, options, std::future::ready(Ok(())), &self.stop).await;
        (outcome, self.collector.report())
    }
}

fn status(report: &Report, id: &str) -> StepStatus {
    report.step(id).expect("it is in the plan").status
}

#[tokio::test]
async fn a_failed_dependency_blocks_only_its_dependents() {
    let bench = Bench::new();
    let mut broken = write("broken", &bench.path("broken"));
    broken.known_failure = Some(failure("it cannot be"));
    let after = after(write("after", &bench.path("after")), "broken");
    let steps = vec![broken, after, write("other", &bench.path("other"))];
    let (outcome, report) = bench.execute_with(steps, true).await;
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
    (broken.known_failure, broken.optional) = (Some(failure("it cannot be")), true);
    let after = after(write("after", &bench.path("after")), "broken");
    let (outcome, report) = bench.execute(vec![broken, after]).await;
    assert_eq!(outcome, Ok(Outcome::Degraded));
    assert_eq!(status(&report, "broken"), StepStatus::Failed);
    assert_eq!(status(&report, "after"), StepStatus::Done);
    assert!(bench.path("after").exists());
}

#[tokio::test]
async fn after_a_required_step_has_failed_no_further_step_starts() {
    for keep_going in [false, true] {
        let bench = Bench::new();
        let mut broken = write("broken", &bench.path("broken"));
        broken.known_failure = Some(failure("it cannot be"));
        // An optional step that depends on the failed one ends after it. The last step waits for it and depends on
        // nothing else.
        let mut between = after(write("between", &bench.path("between")), "broken");
        between.optional = true;
        let last = after(write("last", &bench.path("last")), "between");
        let (outcome, report) = bench.execute_with(vec![broken, between, last], keep_going).await;
        assert_eq!(outcome, Ok(Outcome::Failed));
        assert_eq!(status(&report, "between"), StepStatus::Skipped);
        let expected = if keep_going { StepStatus::Done } else { StepStatus::NotStarted };
        assert_eq!((status(&report, "last"), bench.path("last").exists()), (expected, keep_going));
    }
}

#[tokio::test]
async fn an_optional_step_that_fails_leaves_the_run_degraded() {
    let bench = Bench::new();
    let mut broken = write("broken", &bench.path("broken"));
    (broken.known_failure, broken.optional) = (Some(failure("it cannot be")), true);
    let (outcome, _) = bench.execute(vec![broken, write("other", &bench.path("other"))]).await;
    assert_eq!(outcome, Ok(Outcome::Degraded));
}

#[tokio::test]
async fn nothing_acts_when_one_step_refuses_the_run() {
    let bench = Bench::new();
    let mut staged = write("staged", &bench.path("staged"));
    staged.stage = vec![crate::plan::Stage {
        name: "x".into(),
        from: crate::profile::Asset::File { path: bench.path("asset"), shown: "asset".into() },
        to: bench.path("cache/asset"),
        limit: None,
        check: crate::plan::StageCheck::Digest {
            digest: crate::digest::Digest::sha256(b"what was promised"),
            says: crate::plan::BY_PROFILE,
        },
        origin: Origin { file: "x.toml".into(), line: 7, column: 1 },
    }];
    crate::fs::replace(&bench.path("asset"), b"something else", Attributes::default()).expect("written");
    let (outcome, _) = bench.execute(vec![staged, write("other", &bench.path("other"))]).await;
    let refusals = outcome.expect_err("the digest is wrong");
    assert_eq!(refusals[0].origin.as_ref().map(|origin| origin.line), Some(7));
    assert!(!bench.path("other").exists() && !bench.path("staged").exists());
}

#[test]
fn a_step_that_waits_for_a_file_prepares_after_it_and_cannot_refuse() {
    use crate::kinds::apt::{Action as Apt, AptInstall};

    let temp = tempfile::tempdir().expect("a temporary folder");
    let mut apt = write("apt", &temp.path().join("unused"));
    apt.action = Action::Apt(Apt::Install(AptInstall::default()));
    let proxy = write("proxy", &temp.path().join("proxy"));
    let plan = |apt: Step| Plan { steps: vec![proxy.clone(), apt], ..Plan::default() };
    let alone = plan(apt.clone());
    assert!(decides(&alone, &alone.steps[1]));
    let ordered = plan(after(apt, "proxy"));
    assert!(!decides(&ordered, &ordered.steps[1]));
}

#[tokio::test]
async fn a_stopped_run_lists_the_steps_that_did_not_begin() {
    let bench = Bench::new();
    bench.stop_sender.send(Some(Outcome::DeadlinePassed)).expect("the engine receives it");
    let (outcome, report) = bench.execute(vec![write("a", &bench.path("a"))]).await;
    assert_eq!(outcome, Ok(Outcome::DeadlinePassed));
    assert_eq!(status(&report, "a"), StepStatus::NotStarted);
    assert!(!bench.path("a").exists());
}
