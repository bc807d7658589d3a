//! A runner for tests: it answers commands and records them.

use std::sync::Mutex;

use futures::future::BoxFuture;

use super::{Cmd, ExecError, Finished, LineWatcher, Runner};

type Answer = Box<dyn Fn(&Cmd) -> Option<Finished> + Send + Sync>;

/// Answers commands from closures; the first match wins. An unanswered command "is not installed", as on a bare node.
#[derive(Default)]
pub(crate) struct FakeRunner {
    answers: Vec<Answer>,
    seen: Mutex<Vec<Cmd>>,
}

impl FakeRunner {
    /// A runner without answers.
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Answers every command for which the closure returns a value.
    #[must_use]
    pub(crate) fn answer(mut self, answer: impl Fn(&Cmd) -> Option<Finished> + Send + Sync + 'static) -> Self {
        self.answers.push(Box::new(answer));
        self
    }

    /// The commands so far, in order.
    pub(crate) fn seen(&self) -> Vec<Cmd> {
        self.seen.lock().expect("no test panics while holding it").clone()
    }
}

impl Runner for FakeRunner {
    fn watch<'a>(&'a self, cmd: &'a Cmd, watcher: Option<LineWatcher>) -> BoxFuture<'a, Result<Finished, ExecError>> {
        self.seen.lock().expect("no test panics while holding it").push(cmd.clone());
        let answer = self.answers.iter().find_map(|answer| answer(cmd));
        if let (Some(watcher), Some(done)) = (&watcher, &answer) {
            done.stdout.lines().chain(done.stderr.lines()).for_each(|line| watcher(line));
        }
        let program = cmd.program.clone();
        Box::pin(async move { answer.ok_or(ExecError::NotStarted { program, reason: "not installed".into() }) })
    }
}
