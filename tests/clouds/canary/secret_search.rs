//! Searches bytes for secret values, plain and encoded. It decodes the bytes instead of encoding the values, so that it
//! shares no code with the redaction under test.

use std::collections::BTreeMap;

use base64::{
    Engine as _,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};

/// The number of consecutive bytes of a value that count as a leak.
const ENOUGH: usize = 12;

/// The values of a search.
pub(super) struct SecretSearch {
    plain: Pieces,
    /// For views without quotes and backslashes.
    bare: Pieces,
}

/// Every piece of every value.
struct Pieces {
    /// The name of the value of each piece.
    names: BTreeMap<Vec<u8>, &'static str>,
    /// For each pair of bytes, whether a piece starts with it. This check avoids most lookups.
    starts: Vec<bool>,
}

impl Pieces {
    fn new(values: &[(&'static str, Vec<u8>)], shape: fn(&[u8]) -> Vec<u8>) -> Self {
        let of = |(name, value): &(&'static str, Vec<u8>)| {
            assert!(value.len() >= ENOUGH, "{name} is too short for a search");
            // A program that reads the value as text prints a replacement character for invalid bytes.
            let as_text = String::from_utf8_lossy(value).into_owned().into_bytes();
            let both = [shape(value), shape(&as_text)].concat();
            both.windows(ENOUGH).map(|piece| (piece.to_vec(), *name)).collect::<Vec<_>>()
        };
        let names: BTreeMap<_, _> = values.iter().flat_map(of).collect();
        let mut starts = vec![false; 1 << 16];
        for piece in names.keys() {
            starts[start(piece)] = true;
        }
        Self { names, starts }
    }

    fn find(&self, bytes: &[u8]) -> Option<&'static str> {
        let mut windows = bytes.windows(ENOUGH);
        windows.find_map(|window| self.starts[start(window)].then(|| self.names.get(window).copied()).flatten())
    }
}

/// The first two bytes as a number.
fn start(piece: &[u8]) -> usize {
    usize::from(piece[0]) << 8 | usize::from(piece[1])
}

impl SecretSearch {
    pub(super) fn new(values: &[(&'static str, Vec<u8>)]) -> Self {
        Self { plain: Pieces::new(values, <[u8]>::to_vec), bare: Pieces::new(values, bare) }
    }

    /// The values in some bytes, each with the decoding that shows it.
    pub(super) fn find(&self, bytes: &[u8]) -> Vec<String> {
        let hit = |(view, bytes): (&str, Vec<u8>)| {
            let pieces = if view == "without quotes" { &self.bare } else { &self.plain };
            pieces.find(&bytes).map(|name| format!("`{name}` ({view})"))
        };
        views(bytes).into_iter().filter_map(hit).collect()
    }
}

/// The bytes, plain and with each encoding decoded.
fn views(bytes: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let percent = percent_decoded(bytes);
    let in_lines: Vec<u8> = bytes.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let mut views = vec![
        ("as it is", bytes.to_vec()),
        ("of a form", percent.iter().map(|&byte| if byte == b'+' { b' ' } else { byte }).collect()),
        ("percent-encoded", percent),
        ("escaped", unescaped(bytes)),
        ("without quotes", bare(bytes)),
        ("in XML", of_xml(bytes)),
    ];
    for at in 0..2 {
        views.push((
            "hexadecimal",
            of_runs(bytes, u8::is_ascii_hexdigit, |run| hexadecimal(run.get(at..).unwrap_or(&[]))),
        ));
    }
    for at in 0..4 {
        for bytes in [bytes, &in_lines] {
            let is_base64 = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/-_".contains(byte);
            views.push(("base64", of_runs(bytes, is_base64, |run| base64(run.get(at..).unwrap_or(&[])))));
        }
    }
    views
}

fn percent_decoded(bytes: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::new();
    let mut rest = bytes;
    while let Some((&first, after)) = rest.split_first() {
        match after.get(..2).filter(|_| first == b'%').map(hexadecimal) {
            Some(byte) if byte.len() == 1 => {
                decoded.extend(byte);
                rest = &after[2..];
            }
            _ => {
                decoded.push(first);
                rest = after;
            }
        }
    }
    decoded
}

/// `\n`, `\"`, `\u00e9`, `\xff` and the like.
fn unescaped(bytes: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::new();
    let mut rest = bytes;
    while let Some((&first, after)) = rest.split_first() {
        rest = after;
        let Some((&kind, after)) = after.split_first().filter(|_| first == b'\\') else {
            decoded.push(first);
            continue;
        };
        rest = after;
        let digits = match kind {
            b'x' => 2,
            b'u' => 4,
            _ => 0,
        };
        let number =
            after.get(..digits).and_then(|digits| u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok());
        match (kind, number) {
            (b'x', Some(number)) => decoded.push(u8::try_from(number).expect("two digits")),
            (b'u', Some(number)) => {
                decoded.extend(char::from_u32(number).unwrap_or('?').encode_utf8(&mut [0; 4]).as_bytes());
            }
            (b'n', _) => decoded.push(b'\n'),
            (b'r', _) => decoded.push(b'\r'),
            (b't', _) => decoded.push(b'\t'),
            (other, _) => decoded.push(other),
        }
        rest = number.map_or(rest, |_| &after[digits..]);
    }
    decoded
}

fn of_xml(bytes: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(bytes);
    let pairs = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#x27;", "'"), ("&#39;", "'"), ("&amp;", "&")];
    pairs.iter().fold(text.into_owned(), |text, (from, to)| text.replace(from, to)).into_bytes()
}

fn bare(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().copied().filter(|byte| !b"'\"\\".contains(byte)).collect()
}

/// Decodes each run of certain characters and concatenates the results.
fn of_runs(bytes: &[u8], belongs: impl Fn(&u8) -> bool, decode: impl Fn(&[u8]) -> Vec<u8>) -> Vec<u8> {
    bytes.split(|byte| !belongs(byte)).filter(|run| run.len() >= ENOUGH).flat_map(decode).collect()
}

fn hexadecimal(digits: &[u8]) -> Vec<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let byte = |pair: &[u8]| u8::try_from(digit(pair[0])? * 16 + digit(pair[1])?).ok();
    digits.chunks_exact(2).map_while(byte).collect()
}

fn base64(run: &[u8]) -> Vec<u8> {
    let config = GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true);
    let engine = GeneralPurpose::new(&base64::alphabet::STANDARD, config);
    let standard: Vec<u8> = run
        .iter()
        .map(|byte| match byte {
            b'-' => b'+',
            b'_' => b'/',
            other => *other,
        })
        .collect();
    engine.decode(&standard[..standard.len() / 4 * 4]).unwrap_or_default()
}
