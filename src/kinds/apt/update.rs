//! Updates package lists. Unreachable sources are warnings; problems of the node itself are errors.

use jiff::Timestamp;

use super::{
    command, dpkg_locks,
    error::{AptError, login_remedy},
    hints::{self, Diagnosis},
    lists::PackageLists,
};
use crate::{
    exec::Cmd,
    kinds::apt::AptSources,
    problem::Problem,
    steps::{Context, logins::APT_AUTH},
};

/// The result of an update. apt exits with 0 even if sources failed.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Update {
    /// apt's message about each source that could not be read.
    pub(super) failures: Vec<String>,
    /// The diagnosis of these messages.
    pub(super) diagnosis: Option<Diagnosis>,
}

impl Update {
    pub(super) fn of(output: &str) -> Self {
        Self::with_failures(output.lines().filter(|line| is_failure(line)).map(str::to_owned).collect())
    }

    fn with_failures(failures: Vec<String>) -> Self {
        let diagnosis = hints::diagnose(&failures.join("\n"));
        Self { failures, diagnosis }
    }

    /// Whether every source could be read.
    pub(super) fn is_complete(&self) -> bool {
        self.failures.is_empty()
    }

    /// Whether the same update may succeed later.
    pub(super) fn is_transient(&self) -> bool {
        self.diagnosis.as_ref().is_some_and(Diagnosis::is_transient)
    }

    /// Reports failed sources as warnings, because other sources may be sufficient.
    pub(super) fn warn(&self, ctx: &Context) {
        for failure in &self.failures {
            let remedy = login_remedy(ctx, failure).map(|remedy| format!("; {remedy}")).unwrap_or_default();
            ctx.progress.warn(format!("apt: {}{remedy}", failure.trim_start_matches(['E', 'W', ':', ' '])));
        }
    }

    /// Adds the messages of failed sources to an error, because they may be its cause.
    pub(super) fn add_to(self, ctx: &Context, mut error: Problem) -> Problem {
        if self.failures.is_empty() {
            return error;
        }
        // The package may be unknown only because its source could not be read.
        if let Some(diagnosis) = self.diagnosis {
            let remedy = login_remedy(ctx, &self.failures.join("\n")).unwrap_or_else(|| diagnosis.hint(&[]));
            error.hint = Some(format!("not every package source could be read: {remedy}"));
        }
        error.causes.extend(self.failures);
        error
    }
}

fn is_failure(line: &str) -> bool {
    let summary = ["W: Some index files failed to download", "E: Some index files failed to download"];
    (line.starts_with("E: ") || line.starts_with("W: Failed to fetch") || line.starts_with("W: GPG error"))
        && !summary.iter().any(|summary| line.starts_with(summary))
}

/// Updates separate lists for the node's sources and the added ones, once in a run: all steps share the lists.
pub(super) async fn separate(ctx: &Context, added: Option<&AptSources>) -> Result<(PackageLists, Update), Problem> {
    let lists = PackageLists::separate(ctx.cache.join("apt-lists"), added);
    let update = async {
        lists.set_up(ctx, added)?;
        lists.seed(ctx)?;
        run(ctx, &lists, command::update(&lists.folder)).await.map(|update| update.failures)
    };
    let failures = ctx.package_lists.get_or_try_init(|| update).await?.clone();
    Ok((lists, Update::with_failures(failures)))
}

/// Runs an update and waits for the lock of the lists. Returns an error only for problems of the node itself: a full
/// disk, a read-only file system or missing root rights.
pub(super) async fn run(ctx: &Context, lists: &PackageLists, cmd: Cmd) -> Result<Update, Problem> {
    let cmd = ctx.logins.for_apt(lists.isolated(cmd), &ctx.on_node(APT_AUTH))?.log(ctx.logs.join(command::LOG));
    loop {
        if lists.is_of_node() {
            dpkg_locks::wait(ctx, &dpkg_locks::LISTS).await;
        }
        ctx.progress.now("fetching package lists", None);
        let started = Timestamp::now();
        let done = ctx.runner.run(&cmd).await.map_err(|error| AptError::from(error).error)?;
        let mut update = Update::of(&done.stderr);
        if done.code != 0 && update.failures.is_empty() {
            update.failures.push(format!("E: apt-get update exited with {}", done.code));
        }
        match update.diagnosis {
            Some(Diagnosis::Locked) => tokio::time::sleep(dpkg_locks::INTERVAL).await,
            Some(ref diagnosis @ (Diagnosis::NotRoot | Diagnosis::DiskFull | Diagnosis::ReadOnly))
                if done.code != 0 =>
            {
                ctx.progress.task_finished("update", started, false);
                return Err(AptError::of("apt-get update", &done).error.hint(Some(diagnosis.hint(&[]))));
            }
            _ => {
                ctx.progress.task_finished("update", started, update.failures.is_empty());
                return Ok(update);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{exec::fake::FakeRunner, report::event::Events};

    #[test]
    fn an_unreachable_source_is_detected_although_apt_exits_with_0() {
        let output = "W: Failed to fetch http://127.0.0.1:9/x/./InRelease  Could not connect to 127.0.0.1:9 (127.0.0.1). - \
                    connect (111: Connection refused)\nW: Some index files failed to download. They have been ignored, \
                    or old ones used instead.\n";
        let update = Update::of(output);
        assert_eq!(update.failures.len(), 1);
        assert!(update.is_transient());
    }

    #[test]
    fn an_update_without_errors_has_no_failed_sources() {
        assert_eq!(Update::of("W: Target Packages is configured multiple times\n"), Update::default());
    }

    #[test]
    fn a_failed_source_explains_an_unknown_package() {
        let update = Update::of("E: The repository 'http://x nosuchsuite Release' does not have a Release file.\n");
        let ctx = Context::for_tests(Arc::new(FakeRunner::new()), Events::default().of_step("apt"));
        let error = update.add_to(&ctx, Problem::new("x").hint("check the name".to_owned()));
        assert_eq!(error.causes, ["E: The repository 'http://x nosuchsuite Release' does not have a Release file."]);
        assert!(error.hint.expect("a hint").ends_with(&Diagnosis::Gone.hint(&[])));
    }
}
