//! Distributes the output of a child to a log, a watcher and a bounded buffer. [`crate::redact`] removes secrets first,
//! except from data for parsers.

use std::{collections::VecDeque, fs::File, io::Write as _};

use super::LineWatcher;
use crate::redact;

/// The longest line that a watcher receives, in bytes.
const MAX_LINE_BYTES: usize = 4096;

/// Keeps the last bytes of a stream, up to a limit.
#[derive(Debug)]
pub struct Tail {
    limit: usize,
    bytes: VecDeque<u8>,
    /// Whether bytes were dropped.
    is_cut: bool,
}

impl Tail {
    /// An empty tail that keeps at most `limit` bytes.
    pub fn new(limit: usize) -> Self {
        Self { limit, bytes: VecDeque::new(), is_cut: false }
    }

    /// Appends bytes and drops the oldest beyond the limit.
    pub fn push(&mut self, bytes: &[u8]) {
        self.is_cut |= self.bytes.len() + bytes.len() > self.limit;
        let bytes = &bytes[bytes.len().saturating_sub(self.limit)..];
        let over = (self.bytes.len() + bytes.len()).saturating_sub(self.limit);
        self.bytes.drain(..over);
        self.bytes.extend(bytes);
    }

    /// The kept bytes as text. Invalid UTF-8 becomes the replacement character. If bytes were dropped, the text begins
    /// with a whole line, if it has one: a secret in the first line may be cut, and would not be found.
    pub fn into_text(self) -> String {
        let bytes = Vec::from(self.bytes);
        let first = bytes.iter().position(|&byte| byte == b'\n').filter(|_| self.is_cut).map_or(0, |end| end + 1);
        String::from_utf8_lossy(&bytes[first..]).into_owned()
    }
}

/// The consumer of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Consumer {
    /// People: secrets are redacted.
    People,
    /// A parser: the text stays unchanged. If a password equals a host or package name, redaction would corrupt the
    /// parsed data. Whatever is displayed later is redacted by `report`.
    Parser,
}

/// One output stream of a child.
pub(super) struct Sink<'a> {
    clean: redact::Stream,
    consumer: Consumer,
    tail: &'a mut Tail,
    log: Option<&'a File>,
    watcher: Option<LineWatcher>,
    line: Vec<u8>,
}

impl<'a> Sink<'a> {
    pub(super) fn new(
        consumer: Consumer,
        tail: &'a mut Tail,
        log: Option<&'a File>,
        watcher: Option<LineWatcher>,
    ) -> Self {
        Self { clean: redact::Stream::default(), consumer, tail, log, watcher, line: Vec::new() }
    }

    /// Receives bytes of the child.
    pub(super) fn take(&mut self, bytes: &[u8]) {
        let shown = self.clean.push(bytes).into_owned();
        if self.consumer == Consumer::Parser {
            self.tail.push(bytes);
        }
        self.show(&shown);
    }

    /// The stream has ended.
    pub(super) fn end(mut self) {
        let shown = std::mem::take(&mut self.clean).finish();
        self.show(&shown);
        if !self.line.is_empty() {
            self.line_ends();
        }
    }

    fn show(&mut self, shown: &[u8]) {
        if self.consumer == Consumer::People {
            self.tail.push(shown);
        }
        if let Some(mut log) = self.log {
            // A full disk must not stop the child. The output is kept in memory, too.
            let _ = log.write_all(shown);
        }
        if self.watcher.is_none() {
            return;
        }
        for &byte in shown {
            match byte {
                b'\n' | b'\r' if self.line.is_empty() => {}
                b'\n' | b'\r' => self.line_ends(),
                _ if self.line.len() < MAX_LINE_BYTES => self.line.push(byte),
                _ => {}
            }
        }
    }

    fn line_ends(&mut self) {
        if let Some(watcher) = &self.watcher {
            watcher(&String::from_utf8_lossy(&self.line));
        }
        self.line.clear();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::redact::Secret;

    /// The content of the tail and the lines of the watcher for these pieces.
    fn collect(consumer: Consumer, pieces: &[&str]) -> (String, Vec<String>) {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&lines);
        let watcher: LineWatcher = Arc::new(move |line: &str| kept.lock().expect("unused").push(line.to_owned()));
        let mut tail = Tail::new(100);
        let mut sink = Sink::new(consumer, &mut tail, None, Some(watcher));
        for piece in pieces {
            sink.take(piece.as_bytes());
        }
        sink.end();
        (tail.into_text(), lines.lock().expect("unused").clone())
    }

    #[test]
    fn a_secret_reaches_neither_the_tail_nor_the_watcher() {
        drop(Secret::from("hunter22".to_owned()));
        let (tail, lines) = collect(Consumer::People, &["one\ntoken hun", "ter22\n", "last"]);
        assert_eq!(
            (tail.as_str(), lines),
            ("one\ntoken [redacted]\nlast", ["one", "token [redacted]", "last"].map(str::to_owned).to_vec())
        );
    }

    #[test]
    fn parsers_get_unchanged_data_and_watchers_redacted_data() {
        drop(Secret::from("main".to_owned()));
        let (tail, lines) = collect(Consumer::Parser, &["http://deb.example.org/ main\n"]);
        assert_eq!(
            (tail.as_str(), lines[0].as_str()),
            ("http://deb.example.org/ main\n", "http://deb.example.org/ [redacted]")
        );
    }

    #[test]
    fn only_the_end_is_kept() {
        let mut tail = Tail::new(4);
        tail.push(b"abc");
        tail.push(b"defg");
        tail.push(b"h");
        assert_eq!(tail.into_text(), "efgh");
        let mut tail = Tail::new(12);
        tail.push(b"a hunter22\nb\n");
        assert_eq!(tail.into_text(), "b\n", "a secret in a line that was cut would not be found");
    }
}
