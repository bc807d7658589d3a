//! Decides which changes a service needs. Pure: planning and acting decide in the same way.

use super::{
    desired::DesiredService,
    look::ServiceLook,
    triggers::{DEFINITION_CHANGED, SECRETS_CHANGED, Triggers},
    written::State,
};
use crate::{secrets::file_formats::Rendered, state::ServiceReceipt};

/// The permissions of a file with secrets.
pub(super) const SECRET_MODE: u32 = 0o600;

/// The changes that a service needs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Changes {
    /// Whether its unit, drop-in or script must be written or removed.
    pub define: bool,
    /// Whether the file with its secrets must be written.
    pub write_secrets: bool,
    /// Whether it must be masked or unmasked.
    pub mask: Option<bool>,
    /// Whether it must be enabled or disabled.
    pub enable: Option<bool>,
    /// Whether it must be started or stopped.
    pub run: Option<Run>,
}

/// The change of a running or stopped service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Run {
    /// It does not run.
    Start,
    /// It runs, and something changed.
    Restart(Vec<String>),
    /// It runs, but must not.
    Stop,
}

impl Changes {
    /// Whether nothing is to do.
    pub(super) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The changes in words.
    pub(super) fn in_words(&self, definition: &str) -> Vec<String> {
        let on_off = |wanted: Option<bool>, on: &str, off: &str| {
            wanted.map(|wanted| if wanted { on.to_owned() } else { off.to_owned() })
        };
        let run = self.run.as_ref().map(|run| match run {
            Run::Start => "start".to_owned(),
            Run::Stop => "stop".to_owned(),
            Run::Restart(reasons) => format!("restart ({})", reasons.join(", ")),
        });
        [
            self.define.then(|| format!("change its {definition}")),
            self.write_secrets.then(|| "change its secrets".to_owned()),
            on_off(self.mask, "mask", "unmask"),
            on_off(self.enable, "enable", "disable"),
            run,
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}

/// The changes that a service needs. `secrets` is the wanted content of the file with its secrets.
pub(super) fn changes(
    wanted: &DesiredService,
    look: &ServiceLook,
    record: Option<&ServiceReceipt>,
    triggers: &Triggers,
    secrets: Option<&Rendered>,
) -> Changes {
    let service = &wanted.service;
    let file = wanted.definition();
    let is_missing = file.is_some_and(|file| {
        let found = look.written.as_ref();
        !found.is_some_and(|found| found.bytes.as_deref() == Some(file.text.as_bytes()) && found.mode == file.mode)
    });
    let define = is_missing || !look.stale.is_empty();
    let write_secrets = secrets.is_some_and(|secrets| {
        let found = look.secrets.as_ref();
        !found.is_some_and(|found| found.bytes.as_deref() == Some(secrets.reveal()) && found.mode == SECRET_MODE)
    });
    let now = &look.definition;
    let mask = (now.masked != service.masked && wanted.can_be_masked()).then_some(service.masked);
    let enable = wanted.enabled().filter(|enabled| !now.enabled.matches(*enabled));
    let run = match (service.state, &now.running) {
        (State::Running, None) => Some(Run::Start),
        (State::Stopped, Some(_)) => Some(Run::Stop),
        (State::Stopped, None) => None,
        (State::Running, Some(running)) => {
            let mut reasons = triggers.since(record, running.since);
            for (changed, reason) in [(define, DEFINITION_CHANGED), (write_secrets, SECRETS_CHANGED)] {
                if changed && !reasons.iter().any(|known| known == reason) {
                    reasons.push(reason.to_owned());
                }
            }
            let is_unknown = record.is_none_or(|record| record.triggers.is_empty()) && service.command.is_some();
            if is_unknown && reasons.is_empty() {
                reasons.push("its last start was not recorded".to_owned());
            }
            (!reasons.is_empty()).then_some(Run::Restart(reasons))
        }
    };
    Changes { define, write_secrets, mask, enable, run }
}
