//! Prints each program and each request before it starts, for `-vv`. `exec` and `http` emit `tracing` events and do not
//! depend on this module. Events of other crates are ignored, because they may contain request headers.

use std::fmt;

use jiff::Timestamp;
use tracing::{
    Event, Subscriber,
    field::{Field, Visit},
    level_filters::LevelFilter,
};
use tracing_subscriber::{
    Layer, Registry,
    filter::Targets,
    layer::{Context, SubscriberExt as _},
};

use super::{Stderr, text::clean};

/// Starts to print programs and requests to this stream.
pub(super) fn print_programs_and_requests(stderr: Stderr) {
    // A process has one subscriber. If one is set already, it stays.
    let _ = tracing::subscriber::set_global_default(subscriber(stderr));
}

fn subscriber(stderr: Stderr) -> impl Subscriber + Send + Sync {
    let own = Targets::new().with_target(env!("CARGO_PKG_NAME"), LevelFilter::TRACE);
    Registry::default().with(own).with(Printer { stderr })
}

/// Prints the message of each event as one line with the time (UTC).
struct Printer {
    stderr: Stderr,
}

impl<S: Subscriber> Layer<S> for Printer {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut message = Message::default();
        event.record(&mut message);
        self.stderr.print(&format!("{} {}", Timestamp::now().strftime("%H:%M:%S"), clean(&message.0)));
    }
}

/// The message of an event.
#[derive(Default)]
struct Message(String);

impl Visit for Message {
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
    fn only_events_of_this_crate_are_printed_and_their_secrets_are_redacted() {
        drop(Secret::from("hunter22".to_owned()));
        let (stderr, kept) = Stderr::kept(Palette::PLAIN);
        tracing::subscriber::with_default(subscriber(stderr), || {
            tracing::debug!("runs apt-get hunter22");
            tracing::debug!(target: "hyper::proto", "authorization: Bearer x");
        });
        let kept = kept.lock().expect("unused").clone();
        assert_eq!(kept.split_once(' ').map(|(_, text)| text), Some("runs apt-get [redacted]\n"));
    }
}
