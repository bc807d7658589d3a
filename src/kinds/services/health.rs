//! A test that a service works: a port, an address, a file or a command.

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use regex::Regex;
use url::Url;

use super::written;
use crate::{
    exec::Cmd,
    fs,
    grammar::document::Part,
    http::{Request, accepts_connections},
    inventory::below,
    profile::{Rules, place},
    steps::Context,
};

/// The time after which a test has failed, by default.
const TIMEOUT: Duration = Duration::from_secs(60);
/// The time between two tries.
const INTERVAL: Duration = Duration::from_millis(200);
/// The time limit of one try.
const TRY: Duration = Duration::from_secs(5);
/// The largest file that `path` reads.
const MAX_FILE_BYTES: u64 = 16 << 20;

/// A test that a service works.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    /// The check.
    pub check: HealthCheck,
    /// The time after which it has failed.
    pub timeout: Duration,
}

/// One check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HealthCheck {
    /// A port accepts connections.
    Port {
        /// The host.
        host: String,
        /// The port.
        port: u16,
    },
    /// An address answers with a status of 2xx or 3xx.
    Url(Url),
    /// A file exists, and a regular expression matches in it.
    Path {
        /// The file.
        path: PathBuf,
        /// The expression.
        pattern: Option<String>,
    },
    /// A command exits with 0.
    Command(Vec<String>),
}

impl std::fmt::Display for HealthCheck {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Port { host, port } => write!(f, "port {port} of {host}"),
            Self::Url(url) => write!(f, "{url}"),
            Self::Path { path, pattern: None } => write!(f, "{}", path.display()),
            Self::Path { path, pattern: Some(pattern) } => write!(f, "`{pattern}` in {}", path.display()),
            Self::Command(words) => write!(f, "{}", command(words)),
        }
    }
}

impl Health {
    /// Repeats the check until it succeeds. `still_runs` ends the wait early. The error is the reason.
    pub(super) async fn wait(&self, ctx: &Context, still_runs: impl Fn() -> bool) -> Result<(), String> {
        let end = Instant::now() + self.timeout;
        loop {
            let failure = match self.check.once(ctx).await {
                Ok(()) => return Ok(()),
                Err(failure) => failure,
            };
            if !still_runs() {
                return Err(format!("{failure}, and the service has ended"));
            }
            if Instant::now() >= end {
                let limit = humantime::format_duration(self.timeout);
                return Err(format!("{failure}, {limit} after the start"));
            }
            tokio::time::sleep(INTERVAL).await;
        }
    }
}

impl HealthCheck {
    async fn once(&self, ctx: &Context) -> Result<(), String> {
        match self {
            Self::Port { host, port } => {
                let accepts = accepts_connections(host, *port, TRY).await;
                if accepts { Ok(()) } else { Err(format!("port {port} of {host} does not accept connections")) }
            }
            Self::Url(url) => match ctx.http.call(&Request::get(url.clone()).timeout(TRY)).await {
                Ok(answer) if (200..400).contains(&answer.status) => Ok(()),
                Ok(answer) => Err(format!("{url} answers with status {}", answer.status)),
                Err(error) => Err(error.to_string()),
            },
            Self::Path { path, pattern } => {
                let found = fs::read_bounded(&below(&ctx.root, path), MAX_FILE_BYTES);
                let found = found.map_err(|error| format!("`{}` cannot be read: {error}", path.display()))?;
                let Some(pattern) = pattern else { return Ok(()) };
                let matches = Regex::new(pattern).is_ok_and(|regex| regex.is_match(&String::from_utf8_lossy(&found)));
                if matches { Ok(()) } else { Err(format!("`{pattern}` does not match in `{}`", path.display())) }
            }
            Self::Command(words) => {
                let cmd = command(words).timeout(Some(TRY));
                match ctx.runner.run(&cmd).await.and_then(|done| done.ok(&cmd)) {
                    Ok(_) => Ok(()),
                    Err(error) => Err(error.to_string()),
                }
            }
        }
    }
}

fn command(words: &[String]) -> Cmd {
    let (program, arguments) =
        words.split_first().map_or((String::new(), &[][..]), |(first, rest)| (first.clone(), rest));
    Cmd::new(program).args(arguments.iter().cloned())
}

impl Rules<'_> {
    pub(super) fn health(&mut self, at: &[Part], raw: &written::Health) -> Option<Health> {
        let below = |key: &str| [at, &place![key]].concat();
        let named: Vec<&str> = [
            ("port", raw.port.is_some()),
            ("url", raw.url.is_some()),
            ("path", raw.path.is_some()),
            ("command", raw.command.is_some()),
        ]
        .into_iter()
        .filter_map(|(key, is_there)| is_there.then_some(key))
        .collect();
        let [kind] = named[..] else {
            let hint = "give one of `port`, `url`, `path` and `command`";
            match named[..] {
                [first, second, ..] => {
                    self.mistake(&below(second), format!("both `{first}` and `{second}` are given"), hint);
                }
                _ if !["port", "url", "path", "command"].iter().any(|key| self.document.has(&below(key))) => {
                    self.mistake(at, "`health` names no test", hint);
                }
                _ => {}
            }
            return None;
        };
        for (key, is_there, of) in [("host", raw.host.is_some(), "port"), ("match", raw.pattern.is_some(), "path")] {
            if is_there && kind != of {
                self.mistake(&below(key), format!("`{key}` belongs to `{of}`"), format!("remove `{key}`"));
            }
        }
        let timeout = self.timeout(at, raw.timeout.as_deref()).unwrap_or(TIMEOUT);
        let check = match kind {
            "port" => {
                let port = u16::try_from(raw.port?).ok().filter(|port| *port > 0);
                if port.is_none() {
                    self.mistake(&below("port"), "this is not a port", "a number from 1 to 65535");
                }
                let host = raw.host.as_deref().unwrap_or("127.0.0.1");
                let host = self.expanded(&below("host"), host)?;
                HealthCheck::Port { host, port: port? }
            }
            "url" => {
                let text = self.expanded(&below("url"), raw.url.as_ref()?)?;
                HealthCheck::Url(self.url(&below("url"), &text)?)
            }
            "path" => {
                let path = self.path_of_probe(&below("path"), raw.path.as_ref()?)?;
                if let Some(Err(error)) = raw.pattern.as_deref().map(Regex::new) {
                    let reason = error.to_string();
                    let reason = reason.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
                    let hint = "see https://docs.rs/regex for the syntax";
                    self.mistake(&below("match"), format!("this is not a regular expression: {reason}"), hint);
                }
                HealthCheck::Path { path, pattern: raw.pattern.clone() }
            }
            _ => {
                let words = raw.command.as_ref()?;
                if words.is_empty() {
                    self.mistake(&below("command"), "`command` is empty", "name the program and its arguments");
                }
                let words = words.iter().enumerate();
                let words =
                    words.map(|(index, word)| self.expanded(&[&below("command")[..], &place![index]].concat(), word));
                HealthCheck::Command(words.collect::<Option<Vec<_>>>()?)
            }
        };
        Some(Health { check, timeout })
    }
}
