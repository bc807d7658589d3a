//! Redaction of a stream: a value that is split between two reads is found too.
//!
//! Bytes that may be the beginning of a value are held back until the next piece decides. A line end or a timeout does
//! not release them: the last line of a piece may be the first line of a key. Only up to three of them are shown at the
//! end of a line, because nearly every line ends with a byte that may begin a value in some encoding. If the next line
//! continues the value, the rest of it is replaced.

use std::{borrow::Cow, sync::Arc};

use secrecy::zeroize::{Zeroize as _, Zeroizing};

use super::{REDACTED, needle::HEAD, registry, search::Index, unescape::Bytes};

/// The data after the present piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    NotYet,
    Broken,
    Whole,
}

/// Redacts all registered values from a stream of bytes.
#[derive(Default)]
pub struct Stream {
    /// Bytes that may be the beginning of a value.
    held: Zeroizing<Vec<u8>>,
    /// How many of the held bytes belong to a value that was already replaced.
    covered: usize,
    /// How many of the held bytes were already shown or replaced.
    written: usize,
    /// The search index, and the number of values it was built for.
    index: Option<(usize, Arc<Index>)>,
}

impl Stream {
    /// Adds bytes and returns those that can be shown now.
    pub fn push<'a>(&mut self, bytes: &'a [u8]) -> Cow<'a, [u8]> {
        let count = registry::count();
        if count == 0 && self.held.is_empty() {
            return Cow::Borrowed(bytes);
        }
        let index = match self.index.take() {
            Some((seen, index)) if seen == count => index,
            _ => registry::index(),
        };
        let shown = self.sift(&index, bytes, End::NotYet);
        self.index = Some((count, index));
        Cow::Owned(shown)
    }

    /// Ends the stream and returns the bytes held back. If they are at least half of a value, they are redacted: the
    /// program may have been killed while it wrote the value.
    pub fn finish(self) -> Vec<u8> {
        self.end(End::Broken)
    }

    /// Ends a complete text, in which the last bytes may be any word.
    pub(super) fn end_of_text(self) -> Vec<u8> {
        self.end(End::Whole)
    }

    fn end(mut self, end: End) -> Vec<u8> {
        match self.index.take() {
            Some((_, index)) => self.sift(&index, &[], end),
            None => std::mem::take(&mut *self.held).split_off(self.written),
        }
    }

    fn sift(&mut self, index: &Index, bytes: &[u8], end: End) -> Vec<u8> {
        let mut shown = Vec::with_capacity(self.held.len() + bytes.len());
        let mut held = std::mem::take(&mut self.held);
        let text = if held.is_empty() {
            bytes
        } else {
            held.extend_from_slice(bytes);
            &held
        };
        // Overlapping values are replaced by one marker. `covered` is the end of the last one, and `written` the end of
        // the text that was shown or replaced.
        let (mut covered, mut written) = (self.covered, self.written);
        let mut kept = text.len();
        index.scan(text, end != End::Whole, |at, found| {
            if found.may_continue && end == End::NotYet {
                kept = at;
                return false;
            }
            let broken_off = end == End::Broken && found.may_continue && index.is_mostly(&text[at..]);
            let found_end = if broken_off { Some(text.trim_ascii_end().len()) } else { found.end };
            if let Some(end) = found_end.filter(|&end| end > covered.max(written)) {
                if at >= covered {
                    shown.extend_from_slice(text.get(written..at).unwrap_or_default());
                    shown.extend_from_slice(REDACTED.as_bytes());
                }
                (covered, written) = (end, end);
            }
            true
        });
        let until = if ends_a_line(text) && is_small(&text[kept..]) { text.len() } else { kept };
        if let Some(rest) = text.get(written..until) {
            shown.extend_from_slice(rest);
            written = until;
        }
        self.covered = covered.saturating_sub(kept);
        self.written = written.saturating_sub(kept);
        self.held = Zeroizing::new(text[kept..].to_vec());
        held.zeroize();
        shown
    }
}

fn ends_a_line(text: &[u8]) -> bool {
    matches!(text.last(), Some(b'\n' | b'\r'))
}

/// Whether a text is so small a part of any value that it may be shown.
fn is_small(text: &[u8]) -> bool {
    Bytes::new(text, 0, true).take(HEAD).count() < HEAD
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::redact::Secret;

    /// Redacts the text in pieces of these lengths.
    fn in_pieces(text: &[u8], mut length: impl FnMut() -> usize) -> Vec<u8> {
        let (mut stream, mut shown, mut rest) = (Stream::default(), Vec::new(), text);
        while !rest.is_empty() {
            let (piece, after) = rest.split_at(length().clamp(1, rest.len()));
            shown.extend(stream.push(piece).as_ref());
            rest = after;
        }
        shown.extend(stream.finish());
        shown
    }

    fn learn(values: &[&str]) {
        for value in values {
            drop(Secret::from((*value).to_owned()));
        }
    }

    #[test]
    fn a_value_split_at_any_position_is_redacted() {
        learn(&["hunter22", "s3cret with spaces"]);
        let text = b"a hunter22 b s3cret with spaces, hunter2 and hunter22hunter22\n";
        for first in 1..text.len() {
            let mut lengths = [first].into_iter();
            let shown = in_pieces(text, || lengths.next().unwrap_or(usize::MAX));
            let wanted = "a [redacted] b [redacted], hunter2 and [redacted][redacted]\n";
            assert_eq!(String::from_utf8_lossy(&shown), wanted, "split at {first}");
        }
    }

    #[test]
    fn whole_lines_are_not_held_back() {
        learn(&["hunter22"]);
        let mut stream = Stream::default();
        assert_eq!(stream.push(b"building\nlinking h").as_ref(), b"building\nlinking ");
        assert_eq!(stream.push(b"ello\nhunt").as_ref(), b"hello\n");
        assert_eq!(stream.push(b"").as_ref(), b"");
        assert_eq!(stream.push(b"er22\n").as_ref(), b"[redacted]\n");
    }

    #[test]
    fn the_larger_part_of_a_value_at_the_end_of_a_stream_is_redacted() {
        learn(&["hunter22hunter22"]);
        for (text, wanted) in
            [("x hunt", "x hunt"), ("x hunter22hu", "x [redacted]"), ("x hunter22hunter22", "x [redacted]")]
        {
            assert_eq!(in_pieces(text.as_bytes(), || 3), wanted.as_bytes());
        }
    }

    #[test]
    fn a_complete_value_at_the_end_is_redacted_even_if_a_longer_one_begins_with_it() {
        learn(&["hunter22", "hunter22 and a much longer value that begins alike"]);
        assert_eq!(in_pieces(b"x hunter22", || 3), b"x [redacted]");
        assert_eq!(crate::redact::text("x hunter22"), "x [redacted]");
    }

    #[test]
    fn a_value_registered_during_a_stream_is_redacted_from_then_on() {
        let mut stream = Stream::default();
        assert_eq!(stream.push(b"hunter22 ").as_ref(), b"hunter22 ");
        learn(&["hunter22"]);
        assert_eq!(stream.push(b"hunter22 ").as_ref(), b"[redacted] ");
        learn(&["hunter33"]);
        assert_eq!(stream.push(b"hunter33 ").as_ref(), b"[redacted] ");
    }

    #[test]
    fn multi_line_values_are_redacted_whole_and_line_by_line() {
        learn(&["-----BEGIN KEY-----\nMIIEvQIBADANBg\nab\n-----END KEY-----\n"]);
        let whole = in_pieces(b"-----BEGIN KEY-----\nMIIEvQIBADANBg\nab\n-----END KEY-----\nend\n", || 7);
        assert_eq!(String::from_utf8_lossy(&whole), "[redacted]\nend\n");
        let line = in_pieces(b"key: MIIEvQIBADANBg\n", || 7);
        assert_eq!(String::from_utf8_lossy(&line), "key: [redacted]\n");
    }

    #[test]
    fn the_result_does_not_depend_on_how_a_stream_is_split() {
        // Few letters, so that values overlap, repeat and have common beginnings, and notations are cut.
        let random = &mut fastrand::Rng::with_seed(4711);
        let word = |random: &mut fastrand::Rng, length: usize| -> Vec<u8> {
            (0..length).map(|_| *random.choice(b"aab%=6 \\xn\x1b[m\0").expect("not empty")).collect()
        };
        for round in 0..400 {
            crate::redact::forget();
            let mut values = Vec::new();
            for _ in 0..random.usize(1..6) {
                let length = random.usize(4..12);
                values.push(word(random, length));
            }
            let needles: Vec<Vec<u8>> = values
                .iter()
                .flat_map(|value| crate::redact::encodings::encodings_of(value))
                .map(|needle| needle.to_vec())
                .collect();
            for value in &values {
                drop(Secret::new(value.clone()));
            }
            let mut text = word(random, 300);
            // The end of a text has a rule of its own, with its own test.
            text.extend_from_slice(b"....");
            for needle in random.choose_multiple(&needles, 4) {
                let at = random.usize(..text.len() - 4);
                text.splice(at..at, needle.iter().copied());
            }
            let wanted = in_pieces(&text, || usize::MAX);
            let shown = in_pieces(&text, || random.usize(1..40));
            assert_eq!(shown.escape_ascii().to_string(), wanted.escape_ascii().to_string(), "round {round}");
            let shown = shown.escape_ascii().to_string().replace(REDACTED, "#");
            let is_visible = |value: &[u8]| Bytes::new(value, 0, true).count() >= HEAD;
            for value in values.iter().map(|value| value.trim_ascii()).filter(|value| is_visible(value)) {
                let value = value.escape_ascii().to_string();
                assert!(!shown.contains(&value), "round {round}: `{value}` is in {shown}");
            }
        }
    }

    #[test]
    fn at_the_end_of_a_line_at_most_three_bytes_of_a_value_are_shown() {
        learn(&["hunter22hunter33"]);
        let mut stream = Stream::default();
        assert_eq!(stream.push(b"a\nhun\n").as_ref(), b"a\nhun\n");
        assert_eq!(stream.push(b"ter22h\n").as_ref(), b"");
        assert_eq!(stream.push(b"unter33.\nb\n").as_ref(), b"[redacted].\nb\n");
        assert_eq!(stream.push(b"hun\n").as_ref(), b"hun\n");
        assert_eq!(stream.push(b"ger\n").as_ref(), b"ger\n");
        assert_eq!(stream.finish(), b"");
    }
}
