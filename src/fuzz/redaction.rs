//! The redaction of streams.

use crate::redact::{self, Secret, Stream};

/// The first byte is the length of the secret, the second one seeds the lengths of the pieces. The secret and the text
/// follow. In the text, the byte 1 stands for the secret.
pub(super) fn stream(data: &[u8]) {
    let [length, seed, rest @ ..] = data else { return };
    let (secret, text) = rest.split_at(usize::from(*length).min(rest.len()));
    redact::forget();
    drop(Secret::new(secret.to_vec()));
    let mut whole = Vec::new();
    for &byte in text {
        if byte == 1 { whole.extend_from_slice(secret) } else { whole.push(byte) }
    }
    let at_once = in_pieces(&whole, || usize::MAX);
    let mut state = u32::from(*seed);
    let split = in_pieces(&whole, || {
        state = state.wrapping_mul(1_103_515_245).wrapping_add(12_345);
        1 + (state >> 16) as usize % 24
    });
    let trimmed = secret.trim_ascii();
    if has_visible_bytes(trimmed) {
        for shown in [&at_once, &split] {
            assert!(memchr::memmem::find(&without_markers(shown), trimmed).is_none(), "the secret is shown");
        }
    }
    let text = String::from_utf8_lossy(&whole);
    let shown = redact::text(&text);
    if let Ok(secret) = std::str::from_utf8(trimmed)
        && has_visible_bytes(trimmed)
    {
        let shown = without_markers(shown.as_bytes());
        assert!(memchr::memmem::find(&shown, secret.as_bytes()).is_none(), "the secret is shown in a text");
    }
}

/// The output of a stream whose pieces have these lengths.
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

/// The output with another mark for replaced values, so that a secret that is a part of the mark is not found in it.
fn without_markers(shown: &[u8]) -> Vec<u8> {
    let mut left = Vec::with_capacity(shown.len());
    let mut rest = shown;
    while let Some(at) = memchr::memmem::find(rest, redact::REDACTED.as_bytes()) {
        left.extend_from_slice(&rest[..at]);
        left.push(0xff);
        rest = &rest[at + redact::REDACTED.len()..];
    }
    left.extend_from_slice(rest);
    left
}

/// Whether the value is long enough to be redacted: blanks and notations of one byte count once at most.
fn has_visible_bytes(value: &[u8]) -> bool {
    value.iter().filter(|byte| byte.is_ascii_alphanumeric()).count() >= redact::MIN_LENGTH
        && value.iter().all(|byte| byte.is_ascii_graphic() && !b"\\%".contains(byte))
}
