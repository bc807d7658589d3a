//! The checks that the work of a program is done. Only `unless` and `version` start a program.

use std::{path::Path, time::Duration};

use regex::Regex;

use super::{
    checked::{Program, Proof, VersionCheck},
    execute::as_user,
};
use crate::{
    exec::{Cmd, Runner},
    facts::{runtime::RuntimeCondition, users::User},
    inventory::below,
    profile::is_glob,
};

/// The time limit of a check.
const LIMIT: Duration = Duration::from_secs(60);

/// Why the work of a program is not done, by the paths that it creates. `None` if they exist.
pub(super) fn missing_path(root: &Path, proof: &Proof) -> Option<String> {
    let missing = proof.creates.iter().find(|pattern| !exists(root, pattern))?;
    Some(format!("`{missing}` does not exist"))
}

fn exists(root: &Path, pattern: &str) -> bool {
    if !is_glob(pattern) {
        return below(root, Path::new(pattern)).exists();
    }
    let root = root.display().to_string();
    let pattern = format!("{}{pattern}", glob::Pattern::escape(root.trim_end_matches('/')));
    glob::glob(&pattern).is_ok_and(|mut found| found.any(|path| path.is_ok()))
}

/// Why the work of a program is not done, by all its checks. `None` if all of them hold.
pub(super) async fn unmet(runner: &dyn Runner, root: &Path, program: &Program, user: Option<&User>) -> Option<String> {
    let proof = &program.proof;
    if let Some(missing) = missing_path(root, proof) {
        return Some(missing);
    }
    if let Some(words) = &proof.unless {
        let cmd = check(words, program, user);
        match runner.run(&cmd).await {
            Ok(done) if done.code == 0 => {}
            Ok(done) => return Some(format!("`unless` exits with {}", done.code)),
            Err(error) => return Some(format!("`unless`: {error}")),
        }
    }
    match &proof.version {
        Some(version) => unmet_version(runner, program, version, user).await,
        None => None,
    }
}

async fn unmet_version(
    runner: &dyn Runner,
    program: &Program,
    version: &VersionCheck,
    user: Option<&User>,
) -> Option<String> {
    let cmd = check(&version.command, program, user);
    let done = match runner.run(&cmd).await {
        Ok(done) => done,
        Err(error) => return Some(format!("`version`: {error}")),
    };
    // Some programs print their version on standard error.
    let text = format!("{}\n{}", done.stdout, done.stderr);
    let Some(found) = version_in(&text, version) else { return Some("`version` finds no version".to_owned()) };
    let fits = version.is.parse::<RuntimeCondition>().is_ok_and(|condition| condition.matches(&found));
    (!fits).then(|| format!("the version is {found}, not `{}`", version.is))
}

/// The first group of the expression of a check.
fn version_in(text: &str, version: &VersionCheck) -> Option<String> {
    let found = Regex::new(&version.pattern).ok()?.captures(text)?;
    found.get(1).map(|version| version.as_str().to_owned())
}

fn check(words: &[String], program: &Program, user: Option<&User>) -> Cmd {
    let mut cmd = Cmd::new(words.first().cloned().unwrap_or_default()).args(words.iter().skip(1).cloned());
    cmd.env.extend(program.environment.clone());
    as_user(cmd.cwd("/").timeout(Some(LIMIT)), user)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exec::{Finished, fake::FakeRunner};

    fn program(proof: Proof) -> Program {
        Program { proof, ..crate::kinds::programs::content::tests::program() }
    }

    fn version(is: &str) -> Proof {
        let command = vec!["tool".to_owned(), "--version".to_owned()];
        let version = VersionCheck { command, pattern: r"(\d+(?:\.\d+)+)".into(), is: is.into() };
        Proof { version: Some(version), ..Proof::default() }
    }

    #[tokio::test]
    async fn all_checks_must_hold() {
        let temp = tempfile::tempdir().expect("a temporary folder");
        crate::fs::put(&temp.path().join("opt/meta/gdal-3.9.1.json"), "{}");
        let runner = FakeRunner::new().answer(|cmd| {
            let code = i32::from(cmd.args == ["fail"]);
            let stdout = "tool, version 1.5.2 (x)\n".to_owned();
            (cmd.program == "tool").then(|| Finished { code, stdout, ..Finished::default() })
        });
        let unmet = async |proof| unmet(&runner, temp.path(), &program(proof), None).await;
        let creates = |pattern: &str| Proof { creates: vec![pattern.to_owned()], ..Proof::default() };
        assert_eq!(unmet(creates("/opt/meta/gdal-3.9*.json")).await, None);
        assert_eq!(
            unmet(creates("/opt/meta/gdal-4*.json")).await,
            Some("`/opt/meta/gdal-4*.json` does not exist".into())
        );
        let unless = |word: &str| Proof { unless: Some(vec!["tool".into(), word.into()]), ..creates("/opt/meta") };
        assert_eq!(unmet(unless("ok")).await, None);
        assert_eq!(unmet(unless("fail")).await, Some("`unless` exits with 1".into()));
        assert_eq!(unmet(version(">=1.5, <2")).await, None);
        assert_eq!(unmet(version("1.5")).await, None);
        assert_eq!(unmet(version("2")).await, Some("the version is 1.5.2, not `2`".into()));
        let missing = Proof { unless: Some(vec!["no-such-tool".into()]), ..Proof::default() };
        assert!(unmet(missing).await.is_some_and(|reason| reason.contains("could not be started")));
    }
}
