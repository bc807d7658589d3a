//! What `-vv` tells: each program and each request, before it is started or sent. They speak by `tracing`, so that `exec`
//! and `http` need not know who listens. What other crates say that way is nobody's business here: it may hold headers.

use std::fmt;

use jiff::Timestamp;
use tracing::{
    Event, Metadata, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
};

use super::{Stderr, text::clean};

/// From now on programs and requests are told on this stream.
pub(super) fn tell_programs_and_requests(stderr: Stderr) {
    // Once a process; who came first goes on listening.
    let _ = tracing::subscriber::set_global_default(Listener { stderr });
}

struct Listener {
    stderr: Stderr,
}

impl Subscriber for Listener {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_event() && metadata.target().starts_with(env!("CARGO_PKG_NAME"))
    }

    fn event(&self, event: &Event<'_>) {
        let mut words = Words::default();
        event.record(&mut words);
        self.stderr.print(&format!("{} {}", Timestamp::now().strftime("%H:%M:%S"), clean(&words.0)));
    }

    // Spans are never enabled.
    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }
    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

/// The message of an event.
#[derive(Default)]
struct Words(String);

impl Visit for Words {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.0 = format!("{value:?}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{redact::Secret, report::Palette};

    #[test]
    fn what_the_agent_does_is_told_and_what_other_crates_say_is_not() {
        drop(Secret::from("hunter22".to_owned()));
        let (stderr, kept) = Stderr::kept(Palette::PLAIN);
        tracing::subscriber::with_default(Listener { stderr }, || {
            tracing::debug!("runs apt-get hunter22");
            tracing::debug!(target: "hyper::proto", "authorization: Bearer x");
        });
        let kept = kept.lock().expect("unused").clone();
        assert_eq!(kept.split_once(' ').map(|(_, words)| words), Some("runs apt-get [redacted]\n"));
    }
}
