//! Finds uv: in the file store, on the node, or in the package index with a pinned digest. pip is the fallback.

use std::{
    io::Read,
    path::{Path, PathBuf},
};

use url::Url;

use super::{
    cache::cache,
    index::{PipConfig, find_file},
    installer::Installer,
};
use crate::{
    diagnostic::in_words,
    digest::Digest,
    exec::find_program,
    fs::{Attributes, FsError, PartialFile},
    http::{Download, HttpError},
    kinds::python::{PythonInstall, PythonInstaller},
    problem::Problem,
    steps::Context,
};

/// The release that is downloaded if the node has no uv.
const VERSION: &str = "0.13.9";
/// The wheels of the release: processor, file name after the version, SHA-256.
const WHEELS: [(&str, &str, &str); 2] = [
    (
        "x86_64",
        "py3-none-manylinux_2_17_x86_64.manylinux2014_x86_64.whl",
        "d7f459fe4fd247d830351c75686d3996ace3c6f3f728eb0e85a30b7ada0cef19",
    ),
    (
        "aarch64",
        "py3-none-manylinux_2_17_aarch64.manylinux2014_aarch64.musllinux_1_1_aarch64.whl",
        "5435c5ce14a56431208ca0996416d310f1598e8c2c8ba707688985a16bb82dbe",
    ),
];

/// Steps of one run must not unpack to the same path at the same time.
static ONE_AT_A_TIME: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// The installer for a step.
pub(super) async fn find(ctx: &Context, wanted: &PythonInstall) -> Result<Installer, Problem> {
    let given = match &wanted.installer {
        PythonInstaller::Pip => return Ok(Installer::Pip),
        PythonInstaller::Automatic { uv } => uv,
    };
    let _alone = ONE_AT_A_TIME.lock().await;
    let config = PipConfig::of(ctx, wanted);
    let program = match given {
        Some(file) => Some(from_file(ctx, file)?),
        None => match on_node(ctx) {
            Some(program) => Some(program),
            None => from_index(ctx, wanted, &config).await,
        },
    };
    Ok(match program {
        Some(program) => Installer::Uv { program, cache: cache(ctx).join("uv"), env: config.for_uv() },
        None => Installer::Pip,
    })
}

/// uv on the search path, or uv that an earlier run unpacked.
fn on_node(ctx: &Context) -> Option<PathBuf> {
    find_program("uv").or_else(|| Some(unpacked(ctx, VERSION)).filter(|program| program.is_file()))
}

fn unpacked(ctx: &Context, name: &str) -> PathBuf {
    cache(ctx).join(format!("uv-{name}")).join("uv")
}

/// uv from the file store. Its digest was checked when it was staged.
fn from_file(ctx: &Context, file: &Path) -> Result<PathBuf, Problem> {
    let digest = Digest::sha256_of_file(file)
        .map_err(|error| Problem::new(format!("`{}` could not be read", file.display())).because(&error))?;
    let program = unpacked(ctx, digest.hex());
    if program.is_file() {
        return Ok(program);
    }
    if file.extension().is_some_and(|ending| ending == "whl") {
        unpack(file, &program)?;
    } else {
        let open = std::fs::File::open(file);
        let mut source =
            open.map_err(|error| Problem::new(format!("`{}` could not be read", file.display())).because(&error))?;
        copy(&mut source, &program)?;
    }
    Ok(program)
}

/// uv from the package index. A failure is only a warning, because pip gives the same result more slowly.
async fn from_index(ctx: &Context, wanted: &PythonInstall, config: &PipConfig) -> Option<PathBuf> {
    let (_, name, sha256) = WHEELS.iter().find(|(arch, ..)| *arch == std::env::consts::ARCH)?;
    let file = format!("uv-{VERSION}-{name}");
    let digest = Digest::Sha256((*sha256).to_owned());
    let to = cache(ctx).join(&file);
    if ctx.store.object(&digest, None, &to, &|_| {}).await {
        // The store has the file, so the index is not needed.
        let program = unpacked(ctx, VERSION);
        if unpack(&to, &program).is_ok() && crate::fs::remove(&to).is_ok() {
            return Some(program);
        }
    }
    if wanted.sources.no_index {
        return None;
    }
    let index = wanted.sources.index_url.clone().or_else(|| config.index())?;
    ctx.progress.now(format!("fetching uv {VERSION}"), None);
    match download(ctx, &index, &file, digest, to).await {
        Ok(program) => Some(program),
        Err(error) => {
            let why = in_words(&error);
            ctx.progress.warn(format!("uv {VERSION} is not available ({why}); using pip, which is slower"));
            None
        }
    }
}

/// Why uv could not be downloaded.
#[derive(Debug, thiserror::Error)]
enum DownloadError {
    #[error("the index does not list {0}")]
    NotListed(String),
    #[error(transparent)]
    Http(#[from] HttpError),
    #[error(transparent)]
    Wheel(#[from] Problem),
    #[error(transparent)]
    Files(#[from] FsError),
}

/// Downloads uv's wheel `file` to `to`, extracts the program and removes the wheel.
async fn download(
    ctx: &Context,
    index: &Url,
    file: &str,
    digest: Digest,
    to: PathBuf,
) -> Result<PathBuf, DownloadError> {
    let found = find_file(&ctx.http, index, "uv", file).await?;
    let url = found.ok_or_else(|| DownloadError::NotListed(file.to_owned()))?;
    let started = jiff::Timestamp::now();
    let download = Download { url, to, size: None, limit: None, digest: Some(digest) };
    let done = ctx.fetch(&download, |_| {}).await;
    ctx.progress.task_finished("download uv", started, done.is_ok());
    done?;
    let program = unpacked(ctx, VERSION);
    unpack(&download.to, &program)?;
    crate::fs::remove(&download.to)?;
    Ok(program)
}

/// Extracts the program from uv's wheel.
fn unpack(wheel: &Path, program: &Path) -> Result<(), Problem> {
    let broken = |error: &(dyn std::error::Error + 'static)| {
        Problem::new(format!("`{}` is not a wheel of uv", wheel.display())).because(error)
    };
    let file = std::fs::File::open(wheel).map_err(|error| broken(&error))?;
    let mut archive = zip::ZipArchive::new(file).map_err(|error| broken(&error))?;
    let is_program = |name: &std::borrow::Cow<'_, str>| name.ends_with(".data/scripts/uv");
    let name = archive.file_names().filter_map(Result::ok).find(is_program).map(std::borrow::Cow::into_owned);
    let name = name.ok_or_else(|| Problem::new(format!("`{}` contains no uv", wheel.display())))?;
    let mut entry = archive.by_name(&name).map_err(|error| broken(&error))?;
    copy(&mut entry, program)
}

fn copy(source: &mut impl Read, program: &Path) -> Result<(), Problem> {
    let mut partial = PartialFile::create(program, Attributes::mode(0o755))?;
    let mut buffer = vec![0; 64 << 10];
    loop {
        let count =
            source.read(&mut buffer).map_err(|error| Problem::new("uv could not be unpacked").because(&error))?;
        if count == 0 {
            break;
        }
        partial.write(&buffer[..count])?;
    }
    partial.commit().map_err(|error: FsError| error.into())
}
