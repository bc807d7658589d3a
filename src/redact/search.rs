//! Searches a text for many needles at once, without copies of them in memory that is not wiped.
//!
//! Text and needles are compared as [`unescape`](super::unescape) reads them. A bit table of the first four bytes of
//! each needle rules out nearly every position; the others are compared. An automaton such as Aho-Corasick would hold
//! copies of the needles, need about thirty times their memory, and be rebuilt for each new value.

use secrecy::zeroize::Zeroizing;

use super::{
    encodings,
    needle::{HEAD, Needle, copy},
    unescape::{BLANK, Bytes, CLASSES, Class, Token, next_special, token},
};

/// The width of the hash table index. The table has 32 KiB and fits into the L1 cache.
const TABLE_BITS: u32 = 18;
const TABLE_WORDS: usize = 1 << (TABLE_BITS - u64::BITS.trailing_zeros());
/// A needle of fewer bytes is found in pieces only if no space or tab separates them: parts of common words would be
/// found, too.
const MIN_SPACED: usize = 8;
/// A needle of fewer bytes is found only as it is written.
const MIN_BROKEN: usize = 6;

type Span = (usize, usize);

/// A needle. Its texts are in the bytes of the index.
struct Entry {
    /// The bytes to compare.
    read: Span,
    /// The end of the needle from the last byte on, if it is an incomplete notation, such as a backslash.
    tail: Span,
    /// The needle as it is written, if it is short.
    written: Span,
}

/// The needles of all values.
pub(super) struct Index {
    /// The texts of all needles.
    bytes: Zeroizing<Vec<u8>>,
    /// The needles, sorted by the bytes to compare.
    entries: Vec<Entry>,
    /// The first four bytes of each needle.
    heads: Vec<u32>,
    /// One bit for the hash of each head.
    table: Box<[u64]>,
}

/// The result of a comparison at one position.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct NeedleMatch {
    /// The end of the longest needle that begins here.
    pub(super) end: Option<usize>,
    /// Whether a longer needle may begin here and end after the text.
    pub(super) may_continue: bool,
}

impl Index {
    /// The index for all encodings of these values.
    pub(super) fn of_values<'a>(values: impl Iterator<Item = &'a [u8]>) -> Self {
        let mut needles: Vec<[Needle; 3]> =
            values.flat_map(encodings::encodings_of).filter_map(|needle| texts(&needle)).collect();
        needles.sort_unstable_by(|a, b| {
            a.each_ref().map(|text| text.as_slice()).cmp(&b.each_ref().map(|text| text.as_slice()))
        });
        needles.dedup();
        let size = needles.iter().flatten().map(|text| text.len()).sum();
        let mut index = Self {
            bytes: Zeroizing::new(Vec::with_capacity(size)),
            entries: Vec::with_capacity(needles.len()),
            heads: Vec::with_capacity(needles.len()),
            table: vec![0; TABLE_WORDS].into_boxed_slice(),
        };
        for [read, tail, written] in &needles {
            let head = u32::from_be_bytes([read[0], read[1], read[2], read[3]]);
            let (word, bit) = slot(head);
            index.table[word] |= bit;
            index.heads.push(head);
            let [read, tail, written] = [read, tail, written].map(|text| {
                let start = index.bytes.len();
                index.bytes.extend_from_slice(text);
                (start, index.bytes.len())
            });
            index.entries.push(Entry { read, tail, written });
        }
        index
    }

    fn text(&self, (start, end): Span) -> &[u8] {
        &self.bytes[start..end]
    }

    /// Calls `visit` for each position at which a needle begins or may begin, in order, until it returns `false`. With
    /// `more`, the text may continue.
    pub(super) fn scan(&self, text: &[u8], more: bool, mut visit: impl FnMut(usize, NeedleMatch) -> bool) {
        let mut window = Window::default();
        // The first position that has not been compared, and later positions inside of notations.
        let (mut next, mut inside) = (0, Vec::new());
        let mut compare = |at: usize, inside: &mut Vec<usize>| {
            let before = inside.partition_point(|&other| other < at);
            let positions: Vec<usize> = inside.drain(..before).chain([at]).collect();
            positions.into_iter().all(|at| {
                let found = self.at(text, at, more);
                found == NeedleMatch::default() || visit(at, found)
            })
        };
        let mut at = 0;
        loop {
            let special = next_special(&text[at..]).map_or(text.len(), |special| at + special);
            let mut head = window.head;
            for (offset, &byte) in text[at..special].iter().enumerate() {
                let class = CLASSES[usize::from(byte)];
                // Without a branch, because blanks come at irregular positions.
                head = head << (class >> 8) | u32::from(class & 0xff);
                if self.is_head(head) && completes_head(class, head) {
                    let start = window.start(text, at, at + offset);
                    if !compare(start, &mut inside) {
                        return;
                    }
                    next = start + 1;
                }
            }
            window.end_run(head, text, at, special);
            at = special;
            if at == text.len() {
                break;
            }
            let end = match token(text, at, more) {
                Token::Byte(byte, end) => {
                    window.push(byte, at);
                    if self.is_head(window.head) && is_full(window.head) {
                        let start = window.starts[0];
                        if !compare(start, &mut inside) {
                            return;
                        }
                        next = start + 1;
                    }
                    end
                }
                Token::Skipped(end) => end,
                Token::Cut => break,
            };
            // The first byte may belong to the text before, and the others to a value.
            inside.extend((at + 1..end).filter(|&inner| self.may_begin(text, inner, more)));
            at = end;
        }
        // A needle may begin in each of the last three bytes, and in an incomplete notation.
        let last = &window.starts[HEAD - window.count..];
        let last = last.iter().copied().chain([at]).filter(|&start| start >= next);
        let _ = last.collect::<Vec<_>>().into_iter().all(|start| compare(start, &mut inside))
            && compare(text.len(), &mut inside);
    }

    fn is_head(&self, head: u32) -> bool {
        let (word, bit) = slot(head);
        self.table[word] & bit != 0
    }

    /// Whether a needle may begin at a position, which is inside of a notation.
    fn may_begin(&self, text: &[u8], at: usize, more: bool) -> bool {
        if matches!(token(text, at, more), Token::Skipped(_)) {
            return false;
        }
        let mut head = 0;
        let mut bytes = Bytes::new(text, at, more);
        let count = bytes.by_ref().take(HEAD).map(|(byte, _)| head = head << 8 | u32::from(byte)).count();
        (count < HEAD && bytes.is_at_end) || self.is_head(head)
    }

    /// Compares the needles with the text at one position.
    pub(super) fn at(&self, text: &[u8], at: usize, more: bool) -> NeedleMatch {
        let mut bytes = Bytes::new(text, at, more);
        let mut begin = Zeroizing::new([0; HEAD]);
        let count = bytes.by_ref().take(HEAD).zip(begin.iter_mut()).map(|((byte, _), to)| *to = byte).count();
        if count < HEAD {
            let begin = &begin[..count];
            let next = self.entries.partition_point(|entry| self.text(entry.read) < begin);
            let is_begin = self.entries.get(next).is_some_and(|entry| self.text(entry.read).starts_with(begin));
            return NeedleMatch { end: None, may_continue: more && bytes.is_at_end && at < text.len() && is_begin };
        }
        let head = u32::from_be_bytes(*begin);
        let mut found = NeedleMatch::default();
        let first = self.heads.partition_point(|&other| other < head);
        for number in (first..self.heads.len()).take_while(|&number| self.heads[number] == head) {
            let one = self.compare(&self.entries[number], text, at, more);
            found.end = found.end.max(one.end);
            found.may_continue |= one.may_continue && more;
        }
        found
    }

    fn compare(&self, entry: &Entry, text: &[u8], at: usize, more: bool) -> NeedleMatch {
        let (read, tail, written) = (self.text(entry.read), self.text(entry.tail), self.text(entry.written));
        // Whether so much of the text is close enough to the needle as it is written.
        let is_close = |end: usize, whole: bool| {
            let part = &text[at..end];
            read.len() >= MIN_SPACED
                || (read.len() >= MIN_BROKEN && !part.iter().any(|byte| b" \t".contains(byte)))
                || if whole { written == part } else { written.starts_with(part) }
        };
        let mut bytes = Bytes::new(text, at, more);
        let mut end = at;
        for &wanted in read {
            match bytes.next() {
                Some((byte, after)) if byte == wanted => end = after,
                Some(_) => return NeedleMatch::default(),
                None => return NeedleMatch { end: None, may_continue: bytes.is_at_end && is_close(end, false) },
            }
        }
        let rest = &text[end..];
        let has_tail = rest.starts_with(tail);
        let end = if has_tail { end + tail.len() } else { end };
        let may_continue = !has_tail && tail.starts_with(rest) && is_close(text.len(), false);
        NeedleMatch { end: Some(end).filter(|&end| is_close(end, true)), may_continue }
    }

    /// Whether the text contains a needle.
    pub(super) fn is_in(&self, text: &[u8]) -> bool {
        let mut is_in = false;
        self.scan(text, false, |_, _| {
            is_in = true;
            false
        });
        is_in
    }

    /// Whether the text is the beginning and at least half of a needle.
    pub(super) fn is_mostly(&self, text: &[u8]) -> bool {
        let text: Needle = Zeroizing::new(Bytes::new(text, 0, true).map(|(byte, _)| byte).collect());
        let first = self.entries.partition_point(|entry| self.text(entry.read) < text.as_slice());
        let similar =
            self.entries[first..].iter().map(|entry| self.text(entry.read)).take_while(|read| read.starts_with(&text));
        text.len() >= HEAD && similar.into_iter().any(|needle| text.len() * 2 >= needle.len())
    }
}

/// The texts of an entry. `None` if there are too few bytes to compare.
fn texts(needle: &[u8]) -> Option<[Needle; 3]> {
    let mut read = Zeroizing::new(Vec::with_capacity(needle.len()));
    let (mut at, mut begin, mut end) = (0, None, 0);
    while at < needle.len() {
        match token(needle, at, true) {
            Token::Byte(byte, after) => {
                read.push(byte);
                begin = begin.or(Some(at));
                (at, end) = (after, after);
            }
            Token::Skipped(after) => at = after,
            Token::Cut => break,
        }
    }
    let end_of_tail = if at < needle.len() { needle.len() } else { end };
    let tail = &needle[end..end_of_tail];
    let written = if read.len() < MIN_SPACED { &needle[begin?..end_of_tail] } else { &[] };
    (read.len() >= HEAD).then(|| [read, copy(tail), copy(written)])
}

/// The last four bytes that count, and where they begin.
#[derive(Default)]
struct Window {
    head: u32,
    /// The starts, without those of the present run.
    starts: [usize; HEAD],
    /// The number of starts, at most four.
    count: usize,
}

impl Window {
    fn push(&mut self, byte: u8, at: usize) {
        self.head = self.head << 8 | u32::from(byte);
        self.push_start(at);
    }

    fn push_start(&mut self, at: usize) {
        self.starts.rotate_left(1);
        self.starts[HEAD - 1] = at;
        self.count = HEAD.min(self.count + 1);
    }

    /// The first position of the window that ends at a position of a run.
    fn start(&self, text: &[u8], run: usize, at: usize) -> usize {
        let last = last_bytes(&text[run..=at]);
        let (count, first) = last.fold((0, 0), |(count, _), at| (count + 1, at));
        if count < HEAD { self.starts[count] } else { run + first }
    }

    /// Adds a run of bytes that mean themselves.
    fn end_run(&mut self, head: u32, text: &[u8], run: usize, end: usize) {
        self.head = head;
        let starts: Vec<usize> = last_bytes(&text[run..end]).collect();
        for start in starts.into_iter().rev() {
            self.push_start(run + start);
        }
    }
}

/// The positions of the last four bytes that count, in a run without notations, last first.
fn last_bytes(run: &[u8]) -> impl Iterator<Item = usize> {
    let counts = |(_, byte): &(usize, &u8)| CLASSES[usize::from(**byte)] != BLANK;
    run.iter().enumerate().rev().filter(counts).map(|(at, _)| at).take(HEAD)
}

/// Whether a byte is the last one of four that were read. Its own function, because a branch for each blank, which the
/// compiler would move before the look into the table, would cost more than the look.
#[cold]
#[inline(never)]
fn completes_head(class: Class, head: u32) -> bool {
    class != BLANK && is_full(head)
}

/// Whether four bytes were read. No byte that counts is zero.
fn is_full(head: u32) -> bool {
    head >> 24 != 0
}

/// Word and bit of the table for a head, by Fibonacci hashing.
fn slot(head: u32) -> (usize, u64) {
    let hash = head.wrapping_mul(0x9e37_79b1) >> (u32::BITS - TABLE_BITS);
    ((hash / u64::BITS) as usize, 1 << (hash % u64::BITS))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index(values: &[&str]) -> Index {
        Index::of_values(values.iter().map(|value| value.as_bytes()))
    }

    /// The first position at which a needle begins or may begin.
    fn first(index: &Index, text: &[u8]) -> usize {
        let mut first = text.len();
        index.scan(text, true, |at, _| {
            first = at;
            false
        });
        first
    }

    #[test]
    fn the_longest_needle_matches_and_a_longer_one_may_continue() {
        let index = index(&["hunter", "hunter22"]);
        assert_eq!(index.at(b"a hunter22", 2, true), NeedleMatch { end: Some(10), may_continue: false });
        assert_eq!(index.at(b"a hunter2", 2, true), NeedleMatch { end: Some(8), may_continue: true });
        assert_eq!(index.at(b"a hunter2", 2, false), NeedleMatch { end: Some(8), may_continue: false });
        assert_eq!(index.at(b"a hu", 2, true), NeedleMatch { end: None, may_continue: true });
        assert_eq!(index.at(b"a hunger", 2, true), NeedleMatch::default());
    }

    #[test]
    fn a_needle_may_not_continue_after_a_gap_or_at_the_end() {
        let index = index(&["hunter22", "family"]);
        let gap = format!("hunt{}er22", " ".repeat(257));
        for text in [gap.as_str(), "fami l", "fami\tl"] {
            assert_eq!(index.at(text.as_bytes(), 0, true), NeedleMatch::default(), "{text:?}");
        }
        assert!(index.at(b"fami\nl", 0, true).may_continue);
        assert_eq!(index.at(b"a h", 3, true), NeedleMatch::default(), "no byte of a needle is there");
    }

    #[test]
    fn half_of_a_needle_is_most_of_it() {
        let index = index(&["hunter22", "hunter22 and much more than that"]);
        for (text, is_mostly) in [("hunt", true), ("hun", false), ("hunter22", true), ("hunter22 and muc", true)] {
            assert_eq!(index.is_mostly(text.as_bytes()), is_mostly, "{text}");
        }
        assert!(!index.is_mostly(b"hunter22 and mu") && !index.is_mostly(b"hunger22"));
    }

    #[test]
    fn no_position_where_a_needle_begins_is_skipped() {
        let index = index(&["hunter22"]);
        assert_eq!(first(&index, b"all my hunter22"), 7);
        assert!(index.is_in(b"all my hunter22") && !index.is_in(b"all my hunters"));
        assert_eq!(first(&index, b"in a hu"), 5, "the last bytes may be a beginning");
        assert_eq!(first(&index, b"in a h \x1b[3"), 5, "also before blanks and an incomplete code");
        assert_eq!(first(&index, b"in - %6"), 5, "an incomplete escape may be any byte");
    }

    #[test]
    fn a_value_that_begins_or_ends_inside_of_a_notation_is_found() {
        let index = index(&["new-value", "ends-with\\", "cut-off%4", "u003dvalue"]);
        for text in [&br"C:\new-value"[..], br#""ends-with\""#, b"cut-off%45", br"\u003dvalue", b"50%6eew-value"] {
            assert!(index.is_in(text), "{}", text.escape_ascii());
        }
        let mut ends = Vec::new();
        index.scan(br"ends-with\n cut-off%4", false, |_, found| {
            ends.extend(found.end);
            true
        });
        assert_eq!(ends, [10, 21]);
    }

    #[test]
    fn short_values_are_found_only_where_they_are_written_together() {
        let index = index(&["main", "family", "a b c d"]);
        for text in ["main", "family", "fam\nily", "fam\u{1b}[0mily", "%66amily", "a b c d"] {
            assert!(index.is_in(text.as_bytes()), "{text:?}");
        }
        for text in ["ma in", "ma\nin", "fam ily", "fam\n  ily", "ab cd"] {
            assert!(!index.is_in(text.as_bytes()), "{text:?}");
        }
    }
}
