//! The audit log: one JSON line for each decision and each fetch of a secret. It contains no values.

use std::path::Path;

use jiff::Timestamp;
use serde::Serialize;

use super::{AccessRequest, Decision, Exemption, Identity};
use crate::{
    diagnostic::Origin,
    fs::{FsError, LineLog},
    redact,
    secrets::{Address, SecretError},
};

/// An append-only log that only root can read.
#[derive(Debug)]
pub struct AuditLog {
    log: LineLog,
    run: Option<String>,
    command: &'static str,
}

/// A line of the log.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct Line<'a> {
    time: Timestamp,
    run: Option<&'a str>,
    command: &'a str,
    event: &'a str,
    /// All known names of the identity.
    identity: Vec<String>,
    what: String,
    /// The position of the request in the profile.
    asked_at: Option<String>,
    /// `allowed`, `denied`, or `off` if no access file decides.
    decision: &'a str,
    rule: Option<String>,
    /// The result.
    outcome: &'a str,
}

impl AuditLog {
    /// Opens the log, for a run or for a command outside a run.
    pub fn open(path: &Path, run: Option<String>, command: &'static str) -> Result<Self, FsError> {
        Ok(Self { log: LineLog::open_private(path)?, run, command })
    }

    /// Records a decision. `origin` is the position of the request in the profile.
    pub fn decided(
        &mut self,
        identity: &Identity,
        request: &AccessRequest,
        origin: Option<&Origin>,
        decision: &Decision,
    ) -> Result<(), FsError> {
        let outcome = if decision.allowed { "goes on" } else { "refused" };
        self.write(identity, "decision", request.to_string(), origin, Some(decision), outcome)
    }

    /// Records a fetch of a secret. `decision` is the decision that allowed it, if there was one.
    pub fn fetched(
        &mut self,
        identity: &Identity,
        address: &Address,
        origin: Option<&Origin>,
        decision: Option<&Decision>,
        failure: Option<&SecretError>,
    ) -> Result<(), FsError> {
        let outcome = failure.map_or_else(|| "fetched".to_owned(), outcome);
        self.write(identity, "fetch", address.to_string(), origin, decision, &outcome)
    }

    fn write(
        &mut self,
        identity: &Identity,
        event: &str,
        what: String,
        origin: Option<&Origin>,
        decision: Option<&Decision>,
        outcome: &str,
    ) -> Result<(), FsError> {
        let rule = decision.and_then(|decision| decision.rule.as_ref());
        let line = Line {
            time: Timestamp::now(),
            run: self.run.as_deref(),
            command: self.command,
            event,
            identity: identity.names(),
            what,
            asked_at: origin.map(ToString::to_string),
            decision: match decision {
                Some(decision) if !decision.allowed => "denied",
                Some(decision)
                    if rule.is_some() || matches!(decision.exemption, Some(Exemption::OwnUnit | Exemption::NoUnit)) =>
                {
                    "allowed"
                }
                _ => "off",
            },
            rule: rule.map(ToString::to_string),
            outcome,
        };
        // Serialization of strings and a timestamp cannot fail.
        self.log.line(&redact::text(&serde_json::to_string(&line).unwrap_or_default()))
    }
}

/// The reason why a secret could not be fetched, in one word.
fn outcome(failure: &SecretError) -> String {
    let word = match failure {
        SecretError::Cloud(error) => {
            let kind = serde_json::to_value(error.kind).unwrap_or_default();
            return kind.as_str().unwrap_or("failed").to_owned();
        }
        SecretError::NotSet(_) => "not-set",
        SecretError::Unresolved { .. } => "unresolved",
        SecretError::NoScope { .. } | SecretError::NoKey { .. } => "absent",
        _ => "unreadable",
    };
    word.to_owned()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::{
        auth::{Access, decide, fixtures},
        cloud::{CloudError, CloudErrorKind},
    };

    #[test]
    fn every_decision_and_fetch_is_a_line_in_a_private_file() {
        let temp = tempfile::tempdir().expect("a temporary folder");
        let access =
            Access::parse("access.toml", b"schema = 1\n[[grants]]\nwho = ['cluster:Family']\nread = ['family']\n");
        let (access, node) = (access.expect("a valid file"), fixtures::family_node());
        let path = temp.path().join("audit.jsonl");
        let mut log = AuditLog::open(&path, Some("20261121T120304Z-4711".into()), "run").expect("opened");
        let address = Address::Databricks { scope: "family".into(), key: "token".into() };
        let origin = Origin { file: "family.toml".into(), line: 7, column: 1 };
        for key in ["family", "criminal"] {
            let request = AccessRequest::read(key, "token");
            log.decided(&node, &request, Some(&origin), &decide(&access, &node, &request)).expect("written");
        }
        let decision = decide(&access, &node, &AccessRequest::read("family", "token"));
        log.fetched(&node, &address, Some(&origin), Some(&decision), None).expect("written");
        let denied = SecretError::from(CloudError::new(CloudErrorKind::Denied, "no READ"));
        log.fetched(&node, &address, None, None, Some(&denied)).expect("written");
        assert_eq!(std::fs::metadata(&path).expect("there").permissions().mode() & 0o777, 0o600);
        let text = std::fs::read_to_string(&path).expect("readable");
        let times = regex_lite::Regex::new(r#""time":"[^"]*""#).expect("a pattern");
        insta::assert_snapshot!(times.replace_all(&text, "TIME"), @r#"
        {TIME,"run":"20261121T120304Z-4711","command":"run","event":"decision","identity":["cluster:Family@Prod","local:root"],"what":"read family/token","asked-at":"family.toml:7","decision":"allowed","rule":"access.toml:4","outcome":"goes on"}
        {TIME,"run":"20261121T120304Z-4711","command":"run","event":"decision","identity":["cluster:Family@Prod","local:root"],"what":"read criminal/token","asked-at":"family.toml:7","decision":"denied","rule":null,"outcome":"refused"}
        {TIME,"run":"20261121T120304Z-4711","command":"run","event":"fetch","identity":["cluster:Family@Prod","local:root"],"what":"databricks:family/token","asked-at":"family.toml:7","decision":"allowed","rule":"access.toml:4","outcome":"fetched"}
        {TIME,"run":"20261121T120304Z-4711","command":"run","event":"fetch","identity":["cluster:Family@Prod","local:root"],"what":"databricks:family/token","asked-at":null,"decision":"off","rule":null,"outcome":"denied"}
        "#);
    }
}
