//! Fetches package lists, and tells a source that is dead from an update that cannot work.

use jiff::Timestamp;

use super::{
    dpkg_locks,
    error::{AptError, login_remedy},
    hints::{self, Diagnosis},
};
use crate::{
    exec::Cmd,
    problem::Problem,
    steps::{Context, logins::APT_AUTH},
};

/// What an update left undone. apt itself calls most of it success.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Update {
    /// apt's own words about each source it could not fetch.
    pub(super) troubles: Vec<String>,
    /// What the first of them means.
    pub(super) meaning: Option<Diagnosis>,
}

impl Update {
    fn of(said: &str) -> Self {
        let troubles: Vec<String> = said.lines().filter(|line| is_trouble(line)).map(str::to_owned).collect();
        let meaning = hints::meaning(&troubles.join("\n"));
        Self { troubles, meaning }
    }

    /// Whether the same update may do better a little later.
    pub(super) fn is_transient(&self) -> bool {
        self.meaning.as_ref().is_some_and(Diagnosis::is_transient)
    }

    /// One dead source does not stop what the others can give: it is only told.
    pub(super) fn warn(&self, ctx: &Context) {
        for trouble in &self.troubles {
            let remedy = login_remedy(ctx, trouble).map(|remedy| format!("; {remedy}")).unwrap_or_default();
            ctx.progress.warn(format!("apt: {}{remedy}", trouble.trim_start_matches(['E', 'W', ':', ' '])));
        }
    }

    /// Adds to an error what the sources had to say, for they may be its cause.
    pub(super) fn add_to(self, ctx: &Context, mut error: Problem) -> Problem {
        if self.troubles.is_empty() {
            return error;
        }
        // A package may only be unknown because its source could not be read.
        if let Some(meaning) = self.meaning {
            let remedy = login_remedy(ctx, &self.troubles.join("\n")).unwrap_or_else(|| meaning.hint(&[]));
            error.hint = Some(format!("not every package source could be read: {remedy}"));
        }
        error.causes.extend(self.troubles);
        error
    }
}

fn is_trouble(line: &str) -> bool {
    let summary = ["W: Some index files failed to download", "E: Some index files failed to download"];
    (line.starts_with("E: ") || line.starts_with("W: Failed to fetch") || line.starts_with("W: GPG error"))
        && !summary.iter().any(|summary| line.starts_with(summary))
}

/// Runs an update, waiting for whoever holds the lists. Fails only when no source could be read for a reason of the
/// node's own.
pub(super) async fn run(ctx: &Context, cmd: &Cmd) -> Result<Update, Problem> {
    let cmd = ctx.logins.for_apt(cmd.clone(), &ctx.on_node(APT_AUTH))?.log(ctx.logs.join(super::LOG));
    loop {
        dpkg_locks::wait(ctx, &dpkg_locks::LISTS).await;
        ctx.progress.now("fetching package lists", None);
        let started = Timestamp::now();
        let done = ctx.runner.run(&cmd).await.map_err(|error| AptError::from(error).error)?;
        let update = Update::of(&done.stderr);
        match update.meaning {
            Some(Diagnosis::Locked) => tokio::time::sleep(dpkg_locks::INTERVAL).await,
            Some(ref meaning @ (Diagnosis::NotRoot | Diagnosis::DiskFull | Diagnosis::ReadOnly)) if done.code != 0 => {
                ctx.progress.task_finished("update", started, false);
                return Err(AptError::of("apt-get update", &done).error.hint(Some(meaning.hint(&[]))));
            }
            _ => {
                ctx.progress.task_finished("update", started, update.troubles.is_empty());
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
    fn a_dead_source_is_found_although_apt_calls_it_success() {
        let said = "W: Failed to fetch http://127.0.0.1:9/x/./InRelease  Could not connect to 127.0.0.1:9 (127.0.0.1). - \
                    connect (111: Connection refused)\nW: Some index files failed to download. They have been ignored, \
                    or old ones used instead.\n";
        let update = Update::of(said);
        assert_eq!(update.troubles.len(), 1);
        assert!(update.is_transient());
    }

    #[test]
    fn a_quiet_update_has_no_troubles() {
        assert_eq!(Update::of("W: Target Packages is configured multiple times\n"), Update::default());
    }

    #[test]
    fn the_source_explains_why_a_package_is_unknown() {
        let update = Update::of("E: The repository 'http://x nosuchsuite Release' does not have a Release file.\n");
        let ctx = Context::for_tests(Arc::new(FakeRunner::new()), Events::default().of_step("apt"));
        let error = update.add_to(&ctx, Problem::new("x").hint("check the name".to_owned()));
        assert_eq!(error.causes, ["E: The repository 'http://x nosuchsuite Release' does not have a Release file."]);
        assert!(error.hint.expect("a hint").ends_with(&Diagnosis::Gone.hint(&[])));
    }
}
