//! Searches a text for many needles at once, without copies of them in memory that is not wiped.
//!
//! A bit table of the first four bytes of each needle rules out nearly every position; the others are compared. An
//! automaton such as Aho-Corasick would hold copies of the needles, need about thirty times their memory, and be
//! rebuilt for each new value.

use secrecy::zeroize::Zeroizing;

use super::encodings::{self, HEAD};

/// The width of the hash table index. The table has 32 KiB and fits into the L1 cache.
const TABLE_BITS: u32 = 18;

/// The needles of all values.
pub(super) struct Index {
    /// All needles, concatenated in sorted order.
    bytes: Zeroizing<Vec<u8>>,
    /// Start and end of each needle in `bytes`.
    spans: Vec<(usize, usize)>,
    /// The first four bytes of each needle.
    heads: Vec<u32>,
    /// One bit for the hash of each head.
    table: Vec<u64>,
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
        let mut needles: Vec<Zeroizing<Vec<u8>>> = values.flat_map(encodings::encodings_of).collect();
        needles.sort_unstable_by(|a, b| a.as_slice().cmp(b.as_slice()));
        needles.dedup();
        let mut index = Self {
            bytes: Zeroizing::new(Vec::with_capacity(needles.iter().map(|needle| needle.len()).sum())),
            spans: Vec::with_capacity(needles.len()),
            heads: Vec::with_capacity(needles.len()),
            table: vec![0; 1 << (TABLE_BITS - u64::BITS.trailing_zeros())],
        };
        for needle in needles.iter().filter(|needle| needle.len() >= HEAD) {
            let head = u32::from_be_bytes([needle[0], needle[1], needle[2], needle[3]]);
            let (word, bit) = slot(head);
            index.table[word] |= bit;
            index.heads.push(head);
            let start = index.bytes.len();
            index.bytes.extend_from_slice(needle);
            index.spans.push((start, index.bytes.len()));
        }
        index
    }

    fn needle(&self, number: usize) -> &[u8] {
        let (start, end) = self.spans[number];
        &self.bytes[start..end]
    }

    /// The next position at which a needle may begin, or the end of the text.
    pub(super) fn next_candidate(&self, text: &[u8], from: usize) -> usize {
        let is_head = |four: &[u8]| {
            let (word, bit) = slot(u32::from_be_bytes([four[0], four[1], four[2], four[3]]));
            self.table[word] & bit != 0
        };
        let whole = text[from..].windows(HEAD);
        let count = whole.len();
        // A needle may begin in each of the last three bytes.
        from + text[from..].windows(HEAD).position(is_head).unwrap_or(count)
    }

    /// Compares the needles with the text at one position.
    pub(super) fn at(&self, text: &[u8], at: usize) -> NeedleMatch {
        let rest = &text[at..];
        let Some(four) = rest.first_chunk::<HEAD>() else {
            let next = self.spans.partition_point(|&(start, end)| self.bytes[start..end] < *rest);
            let may_continue = !rest.is_empty() && next < self.spans.len() && self.needle(next).starts_with(rest);
            return NeedleMatch { end: None, may_continue };
        };
        let head = u32::from_be_bytes(*four);
        let mut found = NeedleMatch::default();
        let first = self.heads.partition_point(|&other| other < head);
        for number in (first..self.heads.len()).take_while(|&number| self.heads[number] == head) {
            let needle = self.needle(number);
            if rest.starts_with(needle) {
                found.end = found.end.max(Some(at + needle.len()));
            } else if needle.starts_with(rest) {
                found.may_continue = true;
            }
        }
        found
    }

    /// Whether the text contains a needle.
    pub(super) fn is_in(&self, text: &[u8]) -> bool {
        let mut at = 0;
        while at < text.len() {
            at = self.next_candidate(text, at);
            if at < text.len() && self.at(text, at).end.is_some() {
                return true;
            }
            at += 1;
        }
        false
    }

    /// Whether the text is the beginning and at least half of a needle.
    pub(super) fn is_mostly(&self, text: &[u8]) -> bool {
        let first = self.spans.partition_point(|&(start, end)| self.bytes[start..end] < *text);
        let similar =
            (first..self.spans.len()).map(|number| self.needle(number)).take_while(|needle| needle.starts_with(text));
        text.len() >= HEAD && similar.into_iter().any(|needle| text.len() * 2 >= needle.len())
    }
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

    #[test]
    fn the_longest_needle_matches_and_a_longer_one_may_continue() {
        let index = index(&["hunter", "hunter22"]);
        assert_eq!(index.at(b"a hunter22", 2), NeedleMatch { end: Some(10), may_continue: false });
        assert_eq!(index.at(b"a hunter2", 2), NeedleMatch { end: Some(8), may_continue: true });
        assert_eq!(index.at(b"a hu", 2), NeedleMatch { end: None, may_continue: true });
        assert_eq!(index.at(b"a hunger", 2), NeedleMatch::default());
    }

    #[test]
    fn no_position_where_a_needle_begins_is_skipped() {
        let index = index(&["hunter22"]);
        assert_eq!(index.next_candidate(b"all my hunter22", 0), 7);
        assert!(index.is_in(b"all my hunter22") && !index.is_in(b"all my hunters"));
        assert_eq!(index.next_candidate(b"abcdef", 0), 3, "the last bytes may be a beginning");
    }
}
