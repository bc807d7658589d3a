//! Verifies an environment against a request, after the installation.

use std::collections::BTreeSet;

use super::{installer::Installer, locked, python_install::PythonInstall, satisfied::unsatisfied};
use crate::{
    facts::{PythonEnv, python::normalised},
    problem::Problem,
    profile::requirements::{Named, Requirements},
    steps::Context,
};

/// The conflicts that `pip check` reports, one per line. A runtime may ship with conflicts. Those of a distribution
/// that the profile installs without its dependencies are left out.
pub(super) async fn conflicts(
    ctx: &Context,
    tool: &Installer,
    wanted: &PythonInstall,
) -> Result<BTreeSet<String>, Problem> {
    let done = ctx.runner.run(&tool.check(&wanted.interpreter)).await?;
    if done.code == 0 {
        return Ok(BTreeSet::new());
    }
    let lines = done.stdout.lines().chain(done.stderr.lines());
    let without_deps = wanted.without_deps();
    Ok(lines
        .map(str::trim)
        .filter(|line| line.contains("requires") || line.contains(" has "))
        .filter(|line| !without_deps.contains(&subject(line)))
        .map(str::to_owned)
        .collect())
}

/// The distribution whose dependencies a line of pip or uv is about, by its normalised name: `spacy` in
/// ``The package `spacy` requires `thinc`, but it's not installed`` and in `spacy 3.8 requires thinc, which is not
/// installed.`
fn subject(line: &str) -> String {
    let name = match line.strip_prefix("The package `") {
        Some(rest) => rest.split('`').next(),
        None => line.split_whitespace().next(),
    };
    normalised(name.unwrap_or_default())
}

pub(super) fn verify_installed(ctx: &Context, wanted: &PythonInstall) -> Result<(), Problem> {
    let faults = faults(ctx, wanted)?;
    if faults.is_empty() {
        return Ok(());
    }
    ctx.progress.warn("the installer reported success, but the verification failed");
    let mut error = Problem::new("the installer reported success, but not all requested distributions are installed");
    error.causes = faults;
    Err(error)
}

/// The differences between the request and the environment.
pub(super) fn faults(ctx: &Context, wanted: &PythonInstall) -> Result<Vec<String>, Problem> {
    let env = PythonEnv::read(&wanted.interpreter)
        .map_err(|error| Problem::new("the environment cannot be read").because(&error))?;
    let mut faults = Vec::new();
    for wheel in &wanted.wheels {
        match env.distributions.get(&wheel.name).filter(|found| found.is_complete) {
            Some(found) if found.version == wheel.version => {}
            Some(found) => {
                faults.push(format!("`{}` is installed as {}, not {}", wheel.name, found.version, wheel.version));
            }
            None => faults.push(format!("`{}` is not installed", wheel.name)),
        }
    }
    for (name, version) in &wanted.guarded {
        match env.distributions.get(name) {
            Some(found) if found.version == *version => {}
            Some(found) => {
                faults.push(format!("`{name}` {version}, which the runtime ships, became {}", found.version));
            }
            None => faults.push(format!("`{name}` {version}, which the runtime ships, is missing")),
        }
    }
    if let Some(files) = &wanted.locked {
        let names = files.iter().map(|file| &file.name).chain(wanted.wheels.iter().map(|wheel| &wheel.name));
        locked::remove_uv_notes(&env, names)?;
        faults.extend(locked::missing(&env, files));
        return Ok(faults);
    }
    let arch = if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" };
    for file in &wanted.requirement_files {
        let text = std::fs::read_to_string(file).unwrap_or_default();
        match Requirements::read(&ctx.filestore.shown(file), &text, file.parent()) {
            Ok(requirements) => {
                let missing = unsatisfied(&env, arch, &requirements, true);
                faults.extend(missing.iter().map(|text| format!("`{text}` is not installed")));
            }
            Err(error) => faults.push(error.to_string()),
        }
    }
    for deps in [true, false] {
        let named = wanted.requirements.iter().filter(|wanted| wanted.deps == deps).filter_map(|wanted| {
            let requirement = wanted.text.parse().ok()?;
            Some(Named { requirement, origin: wanted.origin.clone() })
        });
        let direct = Requirements { named: named.collect(), ..Requirements::default() };
        let missing = unsatisfied(&env, arch, &direct, deps);
        faults.extend(missing.iter().map(|text| format!("`{text}` is not installed")));
    }
    Ok(faults)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_subject_of_a_conflict_is_read_from_real_output() {
        for line in [
            "The package `Scikit_Learn` requires `numpy>=2.5`, but `1.26.4` is installed",
            "The package `scikit-learn` requires `joblib>=1.2.0`, but it's not installed",
            "scikit-learn 1.5.0 requires joblib, which is not installed.",
            "scikit-learn 1.5.0 has requirement numpy>=2.5, but you have numpy 1.26.4.",
        ] {
            assert_eq!(subject(line), "scikit-learn", "{line}");
        }
    }
}
