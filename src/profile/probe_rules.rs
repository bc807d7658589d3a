//! Rules of probes, and their form in `check --show`.

use std::time::Duration;

use regex::Regex;

use super::{
    Rules,
    page::{array, quoted},
    probe::{Probe, ProbeCheck, ProbeKeys},
    rules::within,
    when::regex_error,
};
use crate::grammar::document::Part;

impl Rules<'_> {
    /// A probe. `name` is its key, and `timeout` its time limit by default.
    pub(crate) fn probe(&mut self, at: &[Part], name: &str, raw: &ProbeKeys, timeout: Duration) -> Option<Probe> {
        let below = |key: &str| within(at, key);
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
                    self.mistake(at, format!("`{name}` names no test"), hint);
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
        let timeout = self.timeout(at, raw.timeout.as_deref()).unwrap_or(timeout);
        Some(Probe { check: self.probe_check(at, kind, raw)?, timeout })
    }

    fn probe_check(&mut self, at: &[Part], kind: &str, raw: &ProbeKeys) -> Option<ProbeCheck> {
        let below = |key: &str| within(at, key);
        Some(match kind {
            "port" => {
                let port = u16::try_from(raw.port?).ok().filter(|port| *port > 0);
                if port.is_none() {
                    self.mistake(&below("port"), "this is not a port", "a number from 1 to 65535");
                }
                let host = raw.host.as_deref().unwrap_or("127.0.0.1");
                let host = self.expanded(&below("host"), host)?;
                ProbeCheck::Port { host, port: port? }
            }
            "url" => {
                let text = self.expanded(&below("url"), raw.url.as_ref()?)?;
                ProbeCheck::Url(self.url(&below("url"), &text)?)
            }
            "path" => {
                let path = self.expanded(&below("path"), raw.path.as_ref()?)?;
                let path = self.absolute(&below("path"), &path)?;
                if let Some(Err(error)) = raw.pattern.as_deref().map(Regex::new) {
                    let reason = regex_error(&error);
                    let hint = "see https://docs.rs/regex for the syntax";
                    self.mistake(&below("match"), format!("this is not a regular expression: {reason}"), hint);
                }
                ProbeCheck::Path { path, pattern: raw.pattern.clone() }
            }
            _ => {
                let words = raw.command.as_ref()?;
                if words.is_empty() {
                    self.mistake(&below("command"), "`command` is empty", "name the program and its arguments");
                }
                let words = words.iter().enumerate();
                let words = words.map(|(index, word)| self.expanded(&within(&below("command"), index), word));
                ProbeCheck::Command(words.collect::<Option<Vec<_>>>()?)
            }
        })
    }
}

impl Probe {
    /// The probe as `check --show` prints it.
    pub fn shown(&self) -> String {
        let check = match &self.check {
            ProbeCheck::Port { host, port } => format!("port = {port}, host = {}", quoted(host)),
            ProbeCheck::Url(url) => format!("url = {}", quoted(url.as_str())),
            ProbeCheck::Path { path, pattern } => {
                let pattern = pattern.as_ref().map(|pattern| format!(", match = {}", quoted(pattern)));
                format!("path = {}{}", quoted(&path.display().to_string()), pattern.unwrap_or_default())
            }
            ProbeCheck::Command(words) => format!("command = {}", array(words)),
        };
        format!("{check}, timeout = {}", quoted(&humantime::format_duration(self.timeout).to_string()))
    }
}
