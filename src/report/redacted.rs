//! Redacts secrets in events before any observer receives them. Only free texts are redacted. Times, numbers and the
//! names of enumeration variants stay, so that the log remains parseable even if a password is a word such as `done`.

use super::event::{EventKind, PlannedStep};
use crate::{problem::Problem, redact};

fn text(text: String) -> String {
    match redact::text(&text) {
        std::borrow::Cow::Borrowed(_) => text,
        std::borrow::Cow::Owned(clean) => clean,
    }
}

fn texts(list: Vec<String>) -> Vec<String> {
    list.into_iter().map(text).collect()
}

fn value(found: serde_json::Value) -> serde_json::Value {
    use serde_json::Value;
    match found {
        Value::String(found) => Value::String(text(found)),
        Value::Array(list) => list.into_iter().map(value).collect(),
        Value::Object(object) => object.into_iter().map(|(name, found)| (name, value(found))).collect(),
        other => other,
    }
}

impl Problem {
    /// The same failure without secrets.
    #[must_use]
    pub fn redacted(self) -> Self {
        Self { message: text(self.message), causes: texts(self.causes), hint: self.hint.map(text), ..self }
    }
}

impl PlannedStep {
    fn redacted(self) -> Self {
        Self { id: text(self.id), title: text(self.title), needs: texts(self.needs), ..self }
    }
}

impl EventKind {
    /// The same event without secrets.
    #[must_use]
    pub fn redacted(self) -> Self {
        match self {
            Self::RunStarted { format, run, version, profile, sources, node, stage } => {
                Self::RunStarted { format, run, version, profile: text(profile), sources, node: value(node), stage }
            }
            Self::PlanMade { steps, ready, later } => {
                let steps = steps.into_iter().map(PlannedStep::redacted).collect();
                Self::PlanMade { steps, ready: texts(ready), later: texts(later) }
            }
            Self::Waiting { step, lock, holder } => {
                Self::Waiting { step: step.map(text), lock: text(lock), holder: text(holder) }
            }
            Self::StepStarted { step } => Self::StepStarted { step: text(step) },
            Self::StepProgress { step, text: activity, amount } => {
                Self::StepProgress { step: text(step), text: text(activity), amount }
            }
            Self::TaskFinished { step, task, started, succeeded } => {
                Self::TaskFinished { step: text(step), task: text(task), started, succeeded }
            }
            Self::StepFinished { step, status, failure } => {
                Self::StepFinished { step: text(step), status, failure: failure.map(Problem::redacted) }
            }
            Self::StoreUsed { store } => Self::StoreUsed { store },
            Self::Warning { text: warning } => Self::Warning { text: text(warning) },
            Self::RunFinished { outcome, exit_code, refusals } => {
                let refusals = refusals.into_iter().map(Problem::redacted).collect();
                Self::RunFinished { outcome, exit_code, refusals }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    #[test]
    fn no_text_of_an_event_contains_a_secret() {
        // Words that occur in every free text of the sample.
        let secrets =
            ["family", "install", "lock-frontend", "unattended-upgr", "spacy", "libfoo-dev", "the disk", "deb.example"];
        let count = |text: &str| secrets.iter().map(|secret| text.matches(secret).count()).sum::<usize>();
        let before: Vec<String> =
            sample::events().iter().map(|event| serde_json::to_string(event).expect("written")).collect();
        assert!(before.iter().map(|text| count(text)).sum::<usize>() > 10, "{before:?}");
        for secret in secrets {
            drop(redact::Secret::from(secret.to_owned()));
        }
        for event in sample::events() {
            let kind = event.kind.redacted();
            let written = serde_json::to_string(&kind).expect("written");
            // The path of a profile is not a secret.
            let without_places = written.replace("family.toml", "");
            assert_eq!(count(&without_places), 0, "{written}");
        }
    }

    #[test]
    fn a_secret_equal_to_a_keyword_does_not_break_the_log() {
        for word in ["done", "failed", "step-finished", "event", "status", "2026"] {
            drop(redact::Secret::from(word.to_owned()));
        }
        for event in sample::events() {
            let shown = crate::report::event::Event { kind: event.kind.clone().redacted(), ..event };
            let line = serde_json::to_string(&shown).expect("written");
            assert!(serde_json::from_str::<crate::report::event::Event>(&line).is_ok(), "{line}");
        }
    }
}
