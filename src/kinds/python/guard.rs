//! Explains a resolution that failed because of shipped distributions: names the requirement and the distribution.

use super::{
    index_auth,
    installer::{Change, Installer, Request},
};
use crate::problem::Problem;
use crate::steps::Context;
use crate::{diagnostic::Origin, kinds::python::PythonInstall};

/// The problem, if the resolution succeeds without the guard but would change guarded distributions. Otherwise
/// `None`.
pub(super) async fn explain(
    ctx: &Context,
    tool: &Installer,
    wanted: &PythonInstall,
    request: &Request<'_>,
) -> Option<Problem> {
    request.constraints?;
    let free = Request { constraints: None, ..request.clone() };
    let changes = dry_run(ctx, tool, &free).await?;
    let broken: Vec<&Change> = changes
        .iter()
        .filter(|change| wanted.guarded.get(&change.name).is_some_and(|kept| *kept != change.version))
        .collect();
    if broken.is_empty() {
        return None;
    }
    let (culprit, origin) = culprit(ctx, tool, wanted, request).await;
    let moves: Vec<String> = broken
        .iter()
        .map(|change| format!("`{}` from {} to {}", change.name, wanted.guarded[&change.name], change.version))
        .collect();
    let names: Vec<String> = broken.iter().map(|change| format!("`{}`", change.name)).collect();
    let mut error = Problem::refused(format!("{culprit} would change {}, which the runtime ships", moves.join(", ")));
    error.origin = origin;
    Some(error.hint(format!("ask for versions that fit, or list {} under `allow-change` in `[pip]`", names.join(", "))))
}

/// The first part of the request that fails under the guard on its own.
async fn culprit(
    ctx: &Context,
    tool: &Installer,
    wanted: &PythonInstall,
    request: &Request<'_>,
) -> (String, Option<Origin>) {
    let nothing = Request { requirements: Vec::new(), files: Vec::new(), wheels: Vec::new(), ..request.clone() };
    for requirement in wanted.requirements.iter().filter(|requirement| requirement.deps == request.deps) {
        let alone = Request { requirements: vec![&requirement.text], ..nothing.clone() };
        if dry_run(ctx, tool, &alone).await.is_none() {
            return (format!("`{}`", requirement.text), Some(requirement.origin.clone()));
        }
    }
    for wheel in wanted.wheels.iter().filter(|wheel| wheel.deps == request.deps) {
        let alone = Request { wheels: vec![&wheel.path], ..nothing.clone() };
        if dry_run(ctx, tool, &alone).await.is_none() {
            return (format!("the wheel {} {}", wheel.name, wheel.version), Some(wheel.origin.clone()));
        }
    }
    for file in &request.files {
        let alone = Request { files: vec![file], ..nothing.clone() };
        if dry_run(ctx, tool, &alone).await.is_none() {
            return line_of(ctx, tool, file, &nothing)
                .await
                .unwrap_or_else(|| (format!("`{}`", ctx.filestore.shown(file)), None));
        }
    }
    ("the requirements together".to_owned(), None)
}

/// The first line of a requirements file that fails on its own.
async fn line_of(
    ctx: &Context,
    tool: &Installer,
    file: &std::path::Path,
    nothing: &Request<'_>,
) -> Option<(String, Option<Origin>)> {
    let text = std::fs::read_to_string(file).ok()?;
    let read =
        crate::profile::requirements::Requirements::read(&ctx.filestore.shown(file), &text, file.parent()).ok()?;
    for named in read.named {
        let requirement = named.requirement.to_string();
        let alone = Request { requirements: vec![&requirement], ..nothing.clone() };
        if dry_run(ctx, tool, &alone).await.is_none() {
            return Some((format!("`{requirement}`"), Some(named.origin)));
        }
    }
    None
}

/// The changes of a dry run. `None` if the resolution fails.
async fn dry_run(ctx: &Context, tool: &Installer, request: &Request<'_>) -> Option<Vec<Change>> {
    let cmd = index_auth::with_logins(ctx, tool.install(&request.dry())).ok()?;
    let done = ctx.runner.run(&cmd).await.ok()?;
    (done.code == 0).then(|| tool.changes(&done.stdout, &done.stderr))
}

#[cfg(test)]
pub(super) mod tests {
    use std::{collections::BTreeMap, sync::Arc};

    use super::*;
    use crate::{
        exec::{Finished, fake::FakeRunner},
        kinds::python::{DistributionSources, PythonInstaller, PythonRequirement},
        report::event::Events,
    };

    fn origin(line: usize) -> Origin {
        Origin { file: "family.toml".into(), line, column: 5 }
    }

    pub(in super::super) fn wanted() -> PythonInstall {
        let requirement = |text: &str, line| PythonRequirement { text: text.into(), deps: true, origin: origin(line) };
        PythonInstall {
            interpreter: "/x/bin/python".into(),
            site_packages: "/x/lib".into(),
            virtualenv: true,
            venv: None,
            requirements: vec![requirement("nltk", 3), requirement("oldthing", 4)],
            requirement_files: Vec::new(),
            wheels: Vec::new(),
            opaque: Vec::new(),
            sources: DistributionSources::default(),
            guarded: BTreeMap::from([("numpy".into(), "2.1.3".into())]),
            shipped: BTreeMap::new(),
            smoke: Vec::new(),
            installer: PythonInstaller::Automatic { uv: None },
            compile: true,
            only_files: false,
            locked: None,
            layer: None,
        }
    }

    fn context(runner: FakeRunner) -> Context {
        Context::for_tests(Arc::new(runner), Events::default().of_step("pip"))
    }

    #[tokio::test]
    async fn the_problem_names_the_requirement_and_the_shipped_distribution() {
        // `oldthing` cannot be resolved under constraints, alone or with the others, and would downgrade numpy
        // without them.
        let runner = FakeRunner::new().answer(|cmd| {
            let guarded = cmd.args.iter().any(|arg| arg == "--constraint");
            let old = cmd.args.iter().any(|arg| arg == "oldthing");
            let stderr = " - numpy==2.1.3\n + numpy==1.26.4\n + oldthing==1.0\n".to_owned();
            Some(Finished { code: i32::from(guarded && old), stderr, ..Finished::default() })
        });
        let (wanted, tool) = (wanted(), Installer::Uv { program: "uv".into(), cache: "/c".into(), env: Vec::new() });
        let constraints = std::path::PathBuf::from("/c.txt");
        let error = explain(&context(runner), &tool, &wanted, &Request::call(&wanted, Some(&constraints), true))
            .await
            .expect("the guard is the cause");
        assert!(error.refused);
        assert_eq!(error.message, "`oldthing` would change `numpy` from 2.1.3 to 1.26.4, which the runtime ships");
        assert_eq!(error.origin, Some(origin(4)));
    }

    #[tokio::test]
    async fn an_unknown_requirement_is_not_explained_by_the_guard() {
        let runner = FakeRunner::new().answer(|_| Some(Finished { code: 1, ..Finished::default() }));
        let (wanted, tool) = (wanted(), Installer::Pip);
        let constraints = std::path::PathBuf::from("/c.txt");
        assert_eq!(
            explain(&context(runner), &tool, &wanted, &Request::call(&wanted, Some(&constraints), true)).await,
            None
        );
    }
}
