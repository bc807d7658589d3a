//! Errors of apt commands: the relevant output lines, the diagnosis and the hint.

use std::sync::LazyLock;

use regex::Regex;

use super::{
    command::{self, Request},
    hints::{self, Diagnosis},
    lists::PackageLists,
};
use crate::{
    diagnostic,
    exec::{ExecError, Finished},
    problem::Problem,
    redact,
    report::text::counted,
    steps::Context,
};

/// The maximum number of output lines in an error.
const SHOWN_LINES: usize = 6;
/// The maximum number of package names in a message.
const SHOWN_NAMES: usize = 4;

/// The error of a transaction that could not be computed or installed.
#[derive(Debug)]
pub(super) struct AptError {
    pub(super) error: Problem,
    pub(super) diagnosis: Option<Diagnosis>,
    /// Whether newer package lists may resolve the problem.
    pub(super) update_may_help: bool,
}

impl AptError {
    /// The error of a command that exited with a non-zero status.
    pub(super) fn of(title: &str, done: &Finished) -> Self {
        let diagnosis = hints::diagnose(&format!("{}\n{}", done.stderr, done.stdout));
        let mut error = Problem::new(format!("`{title}` exited with {}", done.code));
        error.causes = relevant_lines(&done.stdout, &done.stderr);
        let update_may_help = diagnosis.as_ref().is_some_and(Diagnosis::update_may_help);
        Self { error, diagnosis, update_may_help }
    }

    /// Whether the same command may succeed later.
    pub(super) fn is_transient(&self) -> bool {
        self.diagnosis.as_ref().is_some_and(Diagnosis::is_transient)
    }

    /// Whether no later try of the same request can succeed, although the package lists are current.
    pub(super) fn is_final(&self) -> bool {
        self.diagnosis.as_ref().is_some_and(Diagnosis::is_final)
    }

    /// Whether the node's own state contradicts the request, whatever the package lists say.
    pub(super) fn is_held(&self) -> bool {
        self.diagnosis == Some(Diagnosis::Held)
    }

    /// Adds the hint. Names or versions that do exist are looked up for it.
    pub(super) async fn explained(self, ctx: &Context, lists: &PackageLists) -> Problem {
        let Some(diagnosis) = self.diagnosis else { return self.error };
        if diagnosis == Diagnosis::Forbidden
            && let Some(remedy) = login_remedy(ctx, &self.error.causes.join("\n"))
        {
            return self.error.hint(remedy);
        }
        let known = match &diagnosis {
            Diagnosis::UnknownPackage(package) => {
                let names = look_up(ctx, lists, &["pkgnames"]).await;
                similar(package, &names).map(str::to_owned).into_iter().collect()
            }
            Diagnosis::UnknownVersion { package, .. } => versions(&look_up(ctx, lists, &["madison", package]).await),
            Diagnosis::NoCandidate(package) => providers(&look_up(ctx, lists, &["showpkg", package]).await),
            _ => Vec::new(),
        };
        self.error.hint(Some(diagnosis.hint(&known)))
    }
}

impl From<ExecError> for AptError {
    fn from(error: ExecError) -> Self {
        let hint = matches!(error, ExecError::NotStarted { .. })
            .then(|| "apt packages need a Debian or Ubuntu node with apt".to_owned());
        Self { error: Problem::from(error).hint(hint), diagnosis: None, update_may_help: false }
    }
}

impl From<Problem> for AptError {
    fn from(error: Problem) -> Self {
        Self { error, diagnosis: None, update_may_help: false }
    }
}

/// The hint for a source that refused a login, from apt's output.
pub(super) fn login_remedy(ctx: &Context, output: &str) -> Option<String> {
    static REFUSED: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"(https?://\S+)\s+(401|403)\s").expect("the pattern is fixed"));
    let found = REFUSED.captures(output)?;
    Some(ctx.http.remedy(found[2].parse().ok()?, &found[1].parse().ok()?))
}

/// The request as a short command line, for messages.
pub(super) fn title(request: Request<'_>) -> String {
    let wanted = match request {
        Request::Packages(wanted) => wanted,
        Request::Locked(_, files) => {
            return format!("apt-get install {} of the lock", counted(files.len(), "file"));
        }
        Request::Repair(_) => return "apt-get --fix-broken install".into(),
    };
    let names: Vec<_> = command::names(wanted).collect();
    let more = names.len().saturating_sub(SHOWN_NAMES);
    let shown = names[..names.len() - more].join(" ");
    if more == 0 { format!("apt-get install {shown}") } else { format!("apt-get install {shown} and {more} more") }
}

async fn look_up(ctx: &Context, lists: &PackageLists, question: &[&str]) -> String {
    let cmd = lists.isolated(command::lookup(&lists.folder, question));
    // Used only for a better hint, so errors are ignored.
    ctx.runner.run(&cmd).await.map(|done| done.stdout).unwrap_or_default()
}

/// The package name that was probably meant. With 60,000 names a similar one always exists, so only small typos
/// count.
fn similar<'a>(package: &str, names: &'a str) -> Option<&'a str> {
    let slips = |name: &str| strsim::damerau_levenshtein(package, name);
    diagnostic::nearest(package, names.lines()).filter(|name| 6 * slips(name) <= package.len())
}

/// The versions in the output of `apt-cache madison`.
fn versions(madison: &str) -> Vec<String> {
    let mut versions: Vec<String> =
        madison.lines().filter_map(|line| Some(line.split('|').nth(1)?.trim().to_owned())).collect();
    versions.dedup();
    versions.truncate(SHOWN_NAMES);
    versions
}

/// The packages under `Reverse Provides` in the output of `apt-cache showpkg`.
fn providers(showpkg: &str) -> Vec<String> {
    let lines = showpkg.lines().skip_while(|line| !line.starts_with("Reverse Provides")).skip(1);
    let mut names: Vec<_> = lines.filter_map(|line| line.split_ascii_whitespace().next()).map(str::to_owned).collect();
    names.sort();
    names.dedup();
    names.truncate(SHOWN_NAMES);
    names
}

/// The relevant output lines: errors from stderr, unmet dependencies from stdout.
fn relevant_lines(stdout: &str, stderr: &str) -> Vec<String> {
    let (stdout, stderr) = (redact::text(stdout), redact::text(stderr));
    let unmet = stdout.lines().filter(|line| {
        line.starts_with(' ')
            && ["Depends:", "PreDepends:", "Conflicts:", "Breaks:"].iter().any(|word| line.contains(word))
    });
    let noise = ["W: ", "N: ", "debconf: ", "Extracting templates"];
    let mut in_summary = false;
    let errors = stderr.lines().filter(|line| {
        // dpkg ends with a list of packages that its messages have already named.
        in_summary =
            line.starts_with("Errors were encountered while processing") || in_summary && line.starts_with(' ');
        !in_summary && !line.trim().is_empty() && !noise.iter().any(|noise| line.starts_with(noise))
    });
    let mut lines: Vec<String> = unmet.chain(errors).map(|line| line.trim().to_owned()).collect();
    lines.drain(..lines.len().saturating_sub(SHOWN_LINES));
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::apt::{AptInstall, AptPackage};

    #[test]
    fn long_requests_are_shortened() {
        let packages = (0..6).map(|n| AptPackage { name: format!("p{n}"), version: None }).collect();
        let wanted = AptInstall { packages, ..AptInstall::default() };
        assert_eq!(title(Request::Packages(&wanted)), "apt-get install p0 p1 p2 p3 and 2 more");
    }

    #[test]
    fn a_secret_across_selected_lines_is_redacted() {
        drop(redact::Secret::from("hunter22-hunter33".to_owned()));
        assert_eq!(relevant_lines("", "E: hunter22-\nW: x\n"), ["E: hunter22-"], "a part of a value");
        assert_eq!(relevant_lines(" Depends: hunter22-\nhunter33\n", ""), ["Depends: [redacted]"]);
    }

    #[test]
    fn an_error_shows_only_the_relevant_lines() {
        let stdout = "Reading package lists...\nThe following packages have unmet dependencies:\n jq : Depends: libjq1 \
                      (= 1) but 2 is to be installed\n";
        let stderr = "W: some warning\ndebconf: delaying package configuration, since apt-utils is not installed\n\
                      E: Unable to correct problems, you have held broken packages.\n";
        assert_eq!(
            relevant_lines(stdout, stderr),
            [
                "jq : Depends: libjq1 (= 1) but 2 is to be installed",
                "E: Unable to correct problems, you have held broken packages."
            ]
        );
    }

    #[test]
    fn names_listed_twice_are_shown_once() {
        let stderr = "dpkg: error processing package x (--configure):\n installed x package post-installation script \
                      subprocess returned error exit status 7\nErrors were encountered while processing:\n x\nE: \
                      Sub-process /usr/bin/dpkg returned an error code (1)\n";
        assert_eq!(relevant_lines("", stderr).len(), 3);
    }

    #[test]
    fn only_small_typos_get_a_suggestion() {
        assert_eq!(similar("libsodum-dev", "jq\nlibsodium-dev\n"), Some("libsodium-dev"));
        assert_eq!(similar("nosuch", "notmuch\njq\n"), None);
    }

    #[test]
    fn versions_and_providers_are_read_from_apt_cache() {
        let madison = "        jq | 1.6-2.1+deb12u3 | http://x bookworm-security/main amd64 Packages\n        \
                       jq | 1.6-2.1+deb12u2 | http://x bookworm/main amd64 Packages\n";
        assert_eq!(versions(madison), ["1.6-2.1+deb12u3", "1.6-2.1+deb12u2"]);
        let showpkg = "Package: awk\nVersions: \n\nReverse Depends: \n  base-files,awk\nDependencies: \nProvides: \n\
                       Reverse Provides: \noriginal-awk 1:20220912-2 (= )\nmawk 1.3.4 (= )\nmawk 1.3.3 (= )\n";
        assert_eq!(providers(showpkg), ["mawk", "original-awk"]);
    }
}
