//! Downloads the archives of a transaction in parallel. Each file is checked before it gets its final name.

use std::{
    path::Path,
    sync::atomic::{AtomicU64, Ordering},
};

use futures::StreamExt as _;
use jiff::Timestamp;

use super::{hints::Diagnosis, uris::Archive};
use crate::{
    http::{Download, HttpError, HttpProblem},
    report::event::{Amount, Unit},
    steps::Context,
};

/// Downloads archives into `pool`. Archives that need apt's own logins or settings are left to apt.
pub(super) async fn fetch(ctx: &Context, pool: &Path, archives: &[Archive]) -> Result<(), HttpError> {
    let ours: Vec<_> = archives.iter().filter_map(|archive| Some((archive, archive.ours.as_ref()?))).collect();
    if ours.is_empty() {
        return Ok(());
    }
    let started = Timestamp::now();
    let count = ours.len();
    let total = ours.iter().map(|(_, source)| source.size).sum();
    let (files, bytes) = (AtomicU64::new(0), AtomicU64::new(0));
    let tell = |more: u64| {
        let done = bytes.fetch_add(more, Ordering::Relaxed) + more;
        let current = (files.load(Ordering::Relaxed) + 1).min(count as u64);
        // Bytes that are downloaded again after a broken connection are counted twice.
        let amount = Amount { done: done.min(total), total, unit: Unit::Bytes };
        ctx.progress.now(format!("downloading {current} of {count}"), Some(amount));
    };
    let mut downloads = futures::stream::iter(ctx.in_order_of_fetching(ours))
        .map(|(archive, source)| {
            let wanted = Download {
                url: source.url.clone(),
                to: pool.join(&archive.name),
                size: Some(source.size),
                limit: None,
                digest: Some(source.digest.clone()),
            };
            let (tell, files) = (&tell, &files);
            async move {
                let done = ctx.fetch(&wanted, tell).await;
                files.fetch_add(1, Ordering::Relaxed);
                done
            }
        })
        .buffer_unordered(ctx.downloads_at_once());
    let mut outcome = Ok(());
    while let Some(done) = downloads.next().await {
        match done {
            Err(error) if !is_for_apt(&error) => {
                outcome = Err(error);
                break;
            }
            _ => {}
        }
    }
    drop(downloads);
    ctx.progress.task_finished("download", started, outcome.is_ok());
    outcome
}

/// Whether apt may succeed although this download failed. apt has its own logins for servers that require one, and
/// plain HTTP works without the CA certificates that the node may lack.
fn is_for_apt(error: &HttpError) -> bool {
    matches!(error.problem, HttpProblem::Status(401 | 403 | 407) | HttpProblem::Client(_))
}

/// The diagnosis if the error means that the package index is outdated.
pub(super) fn staleness(error: &HttpError) -> Option<Diagnosis> {
    match error.problem {
        _ if error.is_absent() => Some(Diagnosis::Gone),
        HttpProblem::WrongSize { .. } | HttpProblem::WrongDigest { .. } => Some(Diagnosis::HashMismatch),
        _ => None,
    }
}

/// Leaves all downloads to apt if its settings affect them, such as a proxy or certificates.
pub(super) fn respect_apt_settings(archives: &mut [Archive], settings: &str) {
    if affects_downloads(settings) {
        for archive in archives {
            archive.ours = None;
        }
    }
}

fn affects_downloads(settings: &str) -> bool {
    settings.lines().any(|line| {
        let Some((key, value)) = line.split_once(' ') else { return false };
        let mut words = key.split("::").skip(1);
        let scheme = words.next().unwrap_or_default().to_ascii_lowercase();
        let setting = words.next().unwrap_or_default().to_ascii_lowercase();
        matches!(scheme.as_str(), "http" | "https")
            && ["proxy", "cainfo", "capath", "sslcert", "sslkey", "verify-", "user-agent"]
                .iter()
                .any(|prefix| setting.starts_with(prefix))
            && !matches!(value, "\"\";" | "\"DIRECT\";")
    })
}

/// The names of the archives that are in `pool`. Each was checked when it was downloaded.
pub(super) fn present<'a>(pool: &Path, archives: &'a [Archive]) -> impl Iterator<Item = &'a str> {
    let names = archives.iter().filter(|archive| archive.ours.is_some()).map(|archive| archive.name.as_str());
    names.filter(|name| pool.join(name).is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn downloads_are_left_to_apt_if_it_has_a_proxy() {
        assert!(affects_downloads("Acquire \"\";\nAcquire::http \"\";\nAcquire::http::Proxy \"http://proxy:3128\";\n"));
        assert!(affects_downloads("Acquire::http::Proxy::repo.example.org \"http://proxy:3128\";\n"));
        assert!(affects_downloads("Acquire::https::CaInfo \"/etc/ssl/company.pem\";\n"));
        assert!(affects_downloads("Acquire::http::Proxy-Auto-Detect \"/usr/bin/auto-apt-proxy\";\n"));
        assert!(!affects_downloads("Acquire::http::Proxy \"\";\nAcquire::Retries \"3\";\nAcquire::http \"\";\n"));
        assert!(!affects_downloads("Acquire::https::Proxy \"DIRECT\";\nnonsense\n"));
    }
}
