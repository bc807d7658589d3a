//! Runs probes: tests that a port, an address, a file or a command is up.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use regex::Regex;

use crate::{
    exec::{Cmd, Runner},
    fs,
    http::{self, Request, accepts_connections},
    inventory::below,
    profile::{Probe, ProbeCheck},
};

/// The time between two tries.
const INTERVAL: Duration = Duration::from_millis(200);
/// The time limit of one try.
const TRY: Duration = Duration::from_secs(5);
/// The largest file that `path` reads.
const MAX_FILE_BYTES: u64 = 16 << 20;

/// The means of a probe.
#[derive(Clone, Copy)]
pub struct ProbeTools<'a> {
    /// Starts programs.
    pub runner: &'a dyn Runner,
    /// Sends requests.
    pub http: &'a http::Client,
    /// The root of the node's file system.
    pub root: &'a Path,
}

/// Why a probe did not succeed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProbeFailure {
    /// The reason of the last try.
    pub reason: String,
    /// Whether the time limit passed. Otherwise the wait was ended early.
    pub is_late: bool,
}

/// Repeats a probe until it succeeds. `goes_on` ends the wait early.
///
/// # Errors
/// If the time limit passed, or the wait was ended.
pub async fn wait_for(probe: &Probe, tools: ProbeTools<'_>, goes_on: impl Fn() -> bool) -> Result<(), ProbeFailure> {
    let end = Instant::now() + probe.timeout;
    loop {
        let reason = match once(&probe.check, tools).await {
            Ok(()) => return Ok(()),
            Err(reason) => reason,
        };
        if !goes_on() {
            return Err(ProbeFailure { reason, is_late: false });
        }
        if Instant::now() >= end {
            return Err(ProbeFailure { reason, is_late: true });
        }
        tokio::time::sleep(INTERVAL).await;
    }
}

async fn once(check: &ProbeCheck, ProbeTools { runner, http, root }: ProbeTools<'_>) -> Result<(), String> {
    match check {
        ProbeCheck::Port { host, port } => {
            let accepts = accepts_connections(host, *port, TRY).await;
            if accepts { Ok(()) } else { Err(format!("port {port} of {host} does not accept connections")) }
        }
        ProbeCheck::Url(url) => match http.call(&Request::get(url.clone()).timeout(TRY).any_content()).await {
            Ok(answer) if (200..400).contains(&answer.status) => Ok(()),
            Ok(answer) => Err(format!("{url} answers with status {}", answer.status)),
            Err(error) => Err(error.to_string()),
        },
        ProbeCheck::Path { path, pattern } => {
            let found = fs::read_bounded(&below(root, path), MAX_FILE_BYTES);
            let found = found.map_err(|error| format!("`{}` cannot be read: {error}", path.display()))?;
            let Some(pattern) = pattern else { return Ok(()) };
            let matches = Regex::new(pattern).is_ok_and(|regex| regex.is_match(&String::from_utf8_lossy(&found)));
            if matches { Ok(()) } else { Err(format!("`{pattern}` does not match in `{}`", path.display())) }
        }
        ProbeCheck::Command(words) => {
            let (program, arguments) = words.split_first().map_or(("", &[][..]), |(first, rest)| (first, rest));
            let cmd = Cmd::new(program).args(arguments.iter().cloned()).timeout(Some(TRY));
            match runner.run(&cmd).await.and_then(|done| done.ok(&cmd)) {
                Ok(_) => Ok(()),
                Err(error) => Err(error.to_string()),
            }
        }
    }
}
