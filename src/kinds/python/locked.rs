//! Installs the Python distributions of a lock: only its files, without a resolver.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use url::Url;

use super::{bytecode::WheelToInstall, cache::cache, index::PipConfig, installer::Installer};
use crate::{
    digest::Digest,
    exec::Cmd,
    facts::PythonEnv,
    fs::{self, Attributes, FsError, Snapshot},
    kinds::python::PythonInstall,
    lock::LockedDistribution,
    problem::Problem,
    steps::Context,
    steps::locked::{self, LockedFile},
    store::Visibility,
};

/// Downloads the files of a lock.
pub(super) async fn fetch(ctx: &Context, wanted: &PythonInstall, files: &[LockedDistribution]) -> Result<(), Problem> {
    let config = PipConfig::of(ctx, wanted);
    let files = files.iter().map(|file| LockedFile {
        title: format!("{} {}", file.name, file.version),
        url: config.with_own_login(&file.url),
        size: None,
        sha256: &file.sha256,
        to: fetched(ctx, file),
    });
    locked::fetch(ctx, None, files.collect()).await
}

/// The visibility of artifacts made from a file. Files that need a login stay on this node, as do all artifacts when
/// trusted keys are configured, because no signature covers another node's artifacts.
pub(super) fn reach(ctx: &Context, config: &PipConfig, file: &LockedDistribution) -> Visibility {
    Visibility::of(ctx.filestore.trusted().is_on() || ctx.http.has_login(&config.with_own_login(&file.url)))
}

/// The wheels to install, except those built from source archives.
pub(super) fn wheels(
    ctx: &Context,
    config: &PipConfig,
    wanted: &PythonInstall,
    files: &[LockedDistribution],
) -> Vec<WheelToInstall> {
    let locked = files.iter().filter(|file| !file.is_source()).map(|file| WheelToInstall {
        name: file.name.clone(),
        sha256: file.sha256.hex().to_owned(),
        reach: reach(ctx, config, file),
    });
    let of_files = wanted.wheels.iter().filter_map(|wheel| {
        let reach = Visibility::of(ctx.filestore.trusted().is_on());
        Some(WheelToInstall { name: wheel.name.clone(), sha256: wheel.sha256.clone()?, reach })
    });
    locked.chain(of_files).collect()
}

/// The downloaded source archives.
pub(super) fn sources<'a>(ctx: &Context, files: &'a [LockedDistribution]) -> Vec<(&'a LockedDistribution, PathBuf)> {
    files.iter().filter(|file| file.is_source()).map(|file| (file, fetched(ctx, file))).collect()
}

/// The command that installs the downloaded and built wheels. With `compile` the installer compiles byte code.
pub(super) fn command(
    ctx: &Context,
    tool: &Installer,
    wanted: &PythonInstall,
    files: &[LockedDistribution],
    built: &[(&str, &Path)],
    compile: bool,
) -> Result<Cmd, Problem> {
    let links = cache(ctx).join("locked").join(wanted.own_file("links"));
    fs::remove_tree(&links)?;
    fs::create_dirs(&links, 0o755)?;
    for file in files.iter().filter(|file| !file.is_source()) {
        fs::hard_link(&fetched(ctx, file), &links.join(&file.file))?;
    }
    let mut digests: BTreeMap<&str, Digest> =
        files.iter().filter(|file| !file.is_source()).map(|file| (file.name.as_str(), file.sha256.clone())).collect();
    for (name, path) in built {
        fs::hard_link(path, &links.join(path.file_name().unwrap_or_default()))?;
        digests.insert(name, digest_of(path)?);
    }
    let requirements = links.join("requirements.txt");
    fs::replace(&requirements, requirements_text(wanted, files, &digests)?.as_bytes(), Attributes::mode(0o644))?;
    let mut cmd = tool.install_locked(wanted, &requirements, &links, compile);
    // The node's configuration of indexes must not affect a locked installation.
    cmd.env.retain(|name, _| !matches!(name.as_str(), "UV_DEFAULT_INDEX" | "UV_INDEX" | "UV_FIND_LINKS"));
    Ok(cmd.env("PIP_CONFIG_FILE", "/dev/null").env("UV_NO_CONFIG", "1"))
}

/// A requirements file with the digest of each wheel: by name and version, so that the metadata of an installed
/// distribution is the same as from an index. The profile's own wheels are named by their path.
fn requirements_text(
    wanted: &PythonInstall,
    files: &[LockedDistribution],
    digests: &BTreeMap<&str, Digest>,
) -> Result<String, Problem> {
    let mut lines = Vec::new();
    for file in files {
        let digest = digests.get(file.name.as_str());
        let digest = digest.ok_or_else(|| Problem::new(format!("no wheel of `{}` was built", file.name)))?;
        lines.push(format!("{}=={} --hash=sha256:{}\n", file.name, file.version, digest.hex()));
    }
    for wheel in &wanted.wheels {
        let digest = digest_of(&wheel.path)?;
        let url = Url::from_file_path(&wheel.path)
            .map_err(|()| Problem::new(format!("`{}` is not an absolute path", wheel.path.display())))?;
        lines.push(format!("{} @ {url} --hash=sha256:{}\n", wheel.name, digest.hex()));
    }
    Ok(lines.concat())
}

fn digest_of(path: &Path) -> Result<Digest, Problem> {
    Digest::sha256_of_file(path)
        .map_err(|error| Problem::new(format!("`{}` could not be read", path.display())).because(&error))
}

/// The file that uv adds to distributions from local files. It contains the file's time, which differs between nodes.
pub(super) const UV_NOTE: &str = "uv_cache.json";

/// Removes uv's note from installed distributions, so that the same lock gives the same files on every node.
pub(super) fn remove_uv_notes<'a>(env: &PythonEnv, names: impl Iterator<Item = &'a String>) -> Result<(), FsError> {
    let installed = names.filter_map(|name| env.distributions.get(name));
    for folder in installed.map(|found| &found.folder).filter(|folder| folder.join(UV_NOTE).is_file()) {
        let record = folder.join("RECORD");
        if let Some(Snapshot { bytes: Some(bytes), mode, .. }) = fs::read(&record)? {
            let text = String::from_utf8_lossy(&bytes);
            let is_note =
                |line: &&str| line.split(',').next().is_some_and(|path| path.ends_with(&format!("/{UV_NOTE}")));
            let kept: String = text.split_inclusive('\n').filter(|line| !is_note(line)).collect();
            fs::replace(&record, kept.as_bytes(), Attributes::mode(mode))?;
        }
        fs::remove(&folder.join(UV_NOTE))?;
    }
    Ok(())
}

/// The files of the lock that are not installed in their locked version.
pub(super) fn not_installed(env: &PythonEnv, files: &[LockedDistribution]) -> Vec<LockedDistribution> {
    files.iter().filter(|file| !missing(env, std::slice::from_ref(*file)).is_empty()).cloned().collect()
}

/// A message for each distribution that is not installed in its locked version.
pub(super) fn missing(env: &PythonEnv, files: &[LockedDistribution]) -> Vec<String> {
    let fault = |file: &LockedDistribution| match env.distributions.get(&file.name).filter(|found| found.is_complete) {
        Some(found) if found.version == file.version => None,
        Some(found) => {
            Some(format!("`{}` is installed as {}, but the lock has {}", file.name, found.version, file.version))
        }
        None => Some(format!("`{}` of the lock is not installed", file.name)),
    };
    files.iter().filter_map(fault).collect()
}

fn fetched(ctx: &Context, file: &LockedDistribution) -> PathBuf {
    cache(ctx).join("locked").join(file.sha256.hex()).join(&file.file)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::digest::Digest;

    #[test]
    fn the_note_of_uv_is_removed_from_the_distribution_and_its_record() {
        let temp = tempfile::tempdir().expect("a temporary folder");
        let packages = temp.path().join("lib/python3.11/site-packages");
        let write = |path: &str, text: &str| {
            fs::replace(&packages.join(path), text.as_bytes(), Attributes::mode(0o644)).expect("written");
        };
        write("../../../pyvenv.cfg", "version = 3.11.2\n");
        write("../../../bin/python3.11", "");
        write("a-1.dist-info/METADATA", "Name: a\nVersion: 1\n");
        write("a-1.dist-info/uv_cache.json", "{}");
        write("a-1.dist-info/RECORD", "a.py,,\na-1.dist-info/uv_cache.json,sha256=x,2\na-1.dist-info/RECORD,,\n");
        let env = || PythonEnv::read(&temp.path().join("bin/python3.11")).expect("an environment");
        let file = LockedDistribution {
            name: "a".into(),
            version: "1".into(),
            file: "a-1-py3-none-any.whl".into(),
            url: "https://pypi.example/a-1-py3-none-any.whl".parse().expect("an address"),
            sha256: Digest::sha256(b""),
            only_for: BTreeSet::new(),
        };
        remove_uv_notes(&env(), std::iter::once(&file.name)).expect("taken out");
        let record = std::fs::read_to_string(packages.join("a-1.dist-info/RECORD")).expect("there");
        assert_eq!(record, "a.py,,\na-1.dist-info/RECORD,,\n");
        assert!(!packages.join("a-1.dist-info/uv_cache.json").exists());
        assert_eq!(missing(&env(), std::slice::from_ref(&file)), [""; 0]);
        let newer = LockedDistribution { version: "2".into(), ..file };
        assert_eq!(missing(&env(), &[newer]), ["`a` is installed as 1, but the lock has 2"]);
    }
}
