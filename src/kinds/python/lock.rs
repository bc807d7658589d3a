//! Resolves the Python distributions of a lock. pip's report names each file with its digest. The resolution uses an
//! environment with the same interpreter that contains only the metadata of the shipped distributions, so a prepared
//! node gives the same lock as a fresh one.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    path::{Path, PathBuf},
};

use serde_json::Value;
use url::Url;

use super::{
    cache::cache,
    guard,
    index::PipConfig,
    index_auth,
    installer::{Installer, Request, text},
    installer_problem::installer_problem,
    requirements_file::check_fetched,
};
use crate::{
    digest::Digest,
    exec::Cmd,
    facts::{PythonEnv, python::normalised},
    fs::{self, Attributes},
    http::Download,
    kinds::{
        lock::{Identity, LockWork, Upgrade},
        python::PythonInstall,
    },
    lock::{LockedDistribution, bare},
    problem::Problem,
    steps::Context,
};

/// The identity of distributions.
pub(super) const IDENTITY: Identity<LockedDistribution> =
    Identity { key: |file| (&file.name, ""), only_for: |file| &mut file.only_for };

/// Resolves distributions and keeps locked versions. If the requirements conflict with them, all of them may change.
/// `wanted` is an installation, and the interpreter that its environment is made with.
pub(super) async fn lock_keeping(
    work: &LockWork<'_>,
    ctx: &Context,
    wanted: (&PythonInstall, &Path),
    keep: &mut BTreeMap<String, String>,
    is_optional: bool,
) -> Result<Vec<LockedDistribution>, Problem> {
    let found = lock(ctx, wanted, keep).await;
    if found.is_ok() || keep.is_empty() || *work.upgrade != Upgrade::Nothing || is_optional {
        return found;
    }
    let text = "the requirements conflict with the locked Python versions, so all locked versions may change";
    (work.warn)(text.to_owned());
    keep.clear();
    lock(ctx, wanted, keep).await
}

/// Every distribution that would be installed, except the wheels that the profile names. Distributions in `keep` keep
/// their version.
async fn lock(
    ctx: &Context,
    (wanted, base): (&PythonInstall, &Path),
    keep: &BTreeMap<String, String>,
) -> Result<Vec<LockedDistribution>, Problem> {
    if wanted.is_only_wheels() && wanted.wheels.is_empty() {
        return Ok(Vec::new());
    }
    check_fetched(ctx, wanted)?;
    let shipped = as_shipped(ctx, wanted, base).await?;
    let own: BTreeSet<&str> = wanted.wheels.iter().map(|wheel| wheel.name.as_str()).collect();
    let (mut locked, mut keep) = (BTreeMap::new(), keep.clone());
    for call in Request::calls(wanted, None) {
        let constraints = constraints(ctx, wanted, &keep)?;
        let request = Request { constraints: Some(&constraints), ..call }.dry();
        for found in resolve(ctx, &shipped, &request, !keep.is_empty()).await? {
            // Entries without dependencies are resolved first. Others that depend on them get the same version.
            keep.insert(found.name.clone(), found.version.clone());
            if !own.contains(found.name.as_str()) {
                locked.insert(found.name.clone(), found.locked(ctx, wanted).await?);
            }
        }
    }
    Ok(locked.into_values().collect())
}

/// The distributions that a call would install into an environment.
async fn resolve(
    ctx: &Context,
    environment: &Path,
    request: &Request<'_>,
    has_kept: bool,
) -> Result<Vec<ReportedDistribution>, Problem> {
    let mut cmd = Installer::Pip.install(request);
    // The option belongs between `-m pip` and the subcommand.
    cmd.args.splice(2..2, ["--python".to_owned(), text(environment)]);
    let cmd = index_auth::with_logins(ctx, cmd)?;
    ctx.progress.now("resolving", None);
    let error = match ctx.runner.run(&cmd).await.and_then(|done| done.ok(&cmd)) {
        Ok(done) => return report(&done.stdout),
        Err(error) => error,
    };
    let wanted = request.install;
    if let Some(refusal) = guard::explain(ctx, &Installer::Pip, wanted, request).await {
        return Err(refusal);
    }
    let error = installer_problem(ctx, wanted, "the Python requirements cannot be resolved", &error).await;
    let kept =
        has_kept.then(|| "locked versions are kept; allow newer ones with `nodeagent lock --upgrade`".to_owned());
    Err(error.hint(kept))
}

/// A distribution in pip's report.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ReportedDistribution {
    name: String,
    version: String,
    url: Url,
    sha256: Option<Digest>,
}

impl ReportedDistribution {
    async fn locked(self, ctx: &Context, wanted: &PythonInstall) -> Result<LockedDistribution, Problem> {
        let Self { name, version, url, sha256 } = self;
        if url.scheme() == "file" {
            let error = Problem::refused(format!("`{name}` cannot be locked: `{url}` is a file of this node"));
            let hint = "put the file into the file store and list it under `[wheel]`, or into an index";
            return Err(error.hint(hint.to_owned()));
        }
        let last = url.path_segments().and_then(|mut parts| parts.next_back()).unwrap_or_default();
        let file = last.replace("%2B", "+").replace("%2b", "+").replace("%21", "!");
        let sha256 = match sha256 {
            Some(sha256) => sha256,
            None => digest_of(ctx, wanted, &url, &file).await?,
        };
        Ok(LockedDistribution { name, version, file, url: bare(&url), sha256, only_for: BTreeSet::new() })
    }
}

/// The digest of a file, for indexes that do not list one.
async fn digest_of(ctx: &Context, wanted: &PythonInstall, url: &Url, file: &str) -> Result<Digest, Problem> {
    let config = PipConfig::of(ctx, wanted);
    let to = cache(ctx).join("locked/unknown").join(file);
    let download =
        Download { url: config.with_own_login(&bare(url)), to: to.clone(), size: None, limit: None, digest: None };
    ctx.fetch(&download, |_| {}).await?;
    let unread = |error| Problem::new(format!("`{}` could not be read", to.display())).because(&error);
    let digest = Digest::sha256_of_file(&to).map_err(unread)?;
    fs::remove(&to)?;
    Ok(digest)
}

/// The distributions in pip's installation report: <https://pip.pypa.io/en/stable/reference/installation-report/>.
pub(super) fn report(text: &str) -> Result<Vec<ReportedDistribution>, Problem> {
    let no_report = || {
        let error = Problem::new("pip did not print an installation report");
        error.hint("locking needs pip 22.3 or later in the environment".to_owned())
    };
    let report: Value = serde_json::from_str(text).map_err(|_| no_report())?;
    let entries = report.get("install").and_then(Value::as_array).ok_or_else(no_report)?;
    entries.iter().map(|entry| found(entry).ok_or_else(no_report)?).collect()
}

/// Reads one entry. `None` if it is malformed.
fn found(entry: &Value) -> Option<Result<ReportedDistribution, Problem>> {
    let text = |path: &str| entry.pointer(path).and_then(Value::as_str);
    let (name, version) = (normalised(text("/metadata/name")?), text("/metadata/version")?.to_owned());
    let url: Url = text("/download_info/url")?.parse().ok()?;
    if entry.pointer("/download_info/archive_info").is_none() {
        let error =
            Problem::refused(format!("`{name}` cannot be locked: `{}` is a source tree, not a file", bare(&url)));
        let hint = "build a wheel, and put it into the file store (list it under `[wheel]`) or into an index";
        return Some(Err(error.hint(hint.to_owned())));
    }
    let old = text("/download_info/archive_info/hash").and_then(|hash| hash.strip_prefix("sha256="));
    let sha256 = text("/download_info/archive_info/hashes/sha256").or(old).and_then(|hex| hex.parse().ok());
    Some(Ok(ReportedDistribution { name, version, url, sha256 }))
}

/// Writes a constraints file: the guarded versions, the versions to keep, and those of entries without dependencies.
fn constraints(ctx: &Context, wanted: &PythonInstall, keep: &BTreeMap<String, String>) -> Result<PathBuf, Problem> {
    let mut lines = String::new();
    for (name, version) in keep.iter().filter(|(name, _)| !wanted.guarded.contains_key(*name)).chain(&wanted.guarded) {
        // A constraint must be a PEP 440 version. Distributions of the operating system may have other versions.
        if version.parse::<pep440_rs::Version>().is_ok() {
            let _ = writeln!(lines, "{name}=={version}");
        }
    }
    for line in wanted.constraints_without_deps() {
        let _ = writeln!(lines, "{line}");
    }
    let path = ctx.logs.join("lock-constraints.txt");
    fs::replace(&path, lines.as_bytes(), Attributes::mode(0o644))?;
    Ok(path)
}

/// Creates an environment that contains only the metadata of the shipped distributions, and returns its interpreter.
/// It serves resolution only: nothing can be imported from it.
async fn as_shipped(ctx: &Context, wanted: &PythonInstall, base: &Path) -> Result<PathBuf, Problem> {
    let folder = cache(ctx).join("as-shipped");
    fs::remove_tree(&folder)?;
    let made = Cmd::new(text(base)).args(["-m", "venv", "--without-pip"]).arg(text(&folder)).cwd("/");
    ctx.runner.run(&made).await?.ok(&made)?;
    if wanted.shipped.is_empty() {
        return Ok(folder.join("bin/python"));
    }
    let env = PythonEnv::read(&wanted.interpreter)
        .map_err(|error| Problem::new("the environment cannot be read").because(&error))?;
    let packages = folder.join(format!("lib/python{}.{}/site-packages", env.version.0, env.version.1));
    for (name, version) in &wanted.shipped {
        let present = env.distributions.get(name).filter(|found| found.version == *version);
        let Some(metadata) = present.and_then(|found| metadata(&found.folder)) else {
            let error =
                Problem::refused(format!("`{name}` {version}, which the runtime ships, is no longer installed"));
            return Err(error.hint("create the lock on a fresh node".to_owned()));
        };
        let info = packages.join(format!("{}-{version}.dist-info", name.replace('-', "_")));
        fs::replace(&info.join("METADATA"), &metadata, Attributes::mode(0o644))?;
    }
    Ok(folder.join("bin/python"))
}

/// The metadata of an installed distribution, in any of its formats.
fn metadata(folder: &Path) -> Option<Vec<u8>> {
    let places = [folder.join("METADATA"), folder.join("PKG-INFO"), folder.to_owned()];
    places.iter().find_map(|place| std::fs::read(place).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(info: &str) -> String {
        format!(
            r#"{{"version":"1","install":[{{"download_info":{info},"metadata":{{"name":"Scikit_Learn","version":"1.5"}}}}]}}"#
        )
    }

    #[test]
    fn files_and_digests_are_read_from_the_report() {
        let sha = Digest::sha256(b"");
        let hex = sha.hex();
        let of = |info: &str| report(&entry(info)).expect("a report").remove(0);
        for archive in [format!(r#"{{"hashes":{{"sha256":"{hex}"}}}}"#), format!(r#"{{"hash":"sha256={hex}"}}"#)] {
            let found = of(&format!(r#"{{"url":"https://u:p@x/scikit_learn-1.5.whl","archive_info":{archive}}}"#));
            assert_eq!((found.name.as_str(), found.sha256.as_ref()), ("scikit-learn", Some(&sha)));
        }
        assert_eq!(of(r#"{"url":"https://x/a.whl","archive_info":{}}"#).sha256, None);
    }

    #[test]
    fn a_source_tree_cannot_be_locked() {
        let git = entry(r#"{"url":"https://x/a.git","vcs_info":{"vcs":"git","commit_id":"0"}}"#);
        let error = report(&git).expect_err("a repository");
        assert!(error.refused && error.message.contains("`scikit-learn` cannot be locked"), "{error:?}");
        assert!(report("Usage: pip install").expect_err("no report").hint.is_some());
    }
}
