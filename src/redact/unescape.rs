//! Reads a text as the filter compares it: without blanks, line ends, NUL bytes and terminal codes, and with the
//! escapes of common encoders decoded.
//!
//! So one comparison finds a value in lines of any width, in UTF-16, between colours, in dumps of bytes, and with any
//! choice of escaped characters. All positions are those of the original text.

/// A value is found in pieces only if at most this number of bytes is between two of its characters. It also limits the
/// bytes that a stream holds back.
pub(super) const MAX_GAP: usize = 256;

/// The longest terminal code, in bytes.
const MAX_CODE: usize = 32;
const ESCAPE: u8 = 0x1b;

/// The next unit of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Token {
    /// A byte that is compared, and the end of its notation.
    Byte(u8, usize),
    /// Nothing to compare up to this position.
    Skipped(usize),
    /// The text ends inside of a notation.
    Cut,
}

/// A byte that means itself, with its width in bits in the high byte, or [`BLANK`].
pub(super) type Class = u16;
pub(super) const BLANK: Class = 0;

/// The classes of all bytes. Those of [`next_special`] count as bytes that mean themselves.
pub(super) const CLASSES: [Class; 256] = {
    let mut classes = [BLANK; 256];
    let mut byte: u8 = 0;
    loop {
        if !matches!(byte, 0 | b'\t'..=b'\r' | b' ') {
            classes[byte as usize] = 8 << 8 | byte as Class;
        }
        if byte == u8::MAX {
            break;
        }
        byte += 1;
    }
    classes
};

/// The next byte that may begin a notation of several bytes.
pub(super) fn next_special(text: &[u8]) -> Option<usize> {
    memchr::memchr3(ESCAPE, b'\\', b'%', text)
}

/// The token at a position of the text. With `more`, the text may continue.
pub(super) fn token(text: &[u8], at: usize, more: bool) -> Token {
    let byte = text[at];
    let rest = &text[at + 1..];
    let token = match byte {
        _ if CLASSES[usize::from(byte)] == BLANK => return Token::Skipped(at + 1),
        ESCAPE => terminal_code(rest),
        b'\\' => after_backslash(rest),
        b'%' => hexadecimal(rest, 2),
        _ => return Token::Byte(byte, at + 1),
    };
    match token {
        Part::Byte(decoded, length) if CLASSES[usize::from(decoded)] == BLANK => Token::Skipped(at + 1 + length),
        Part::Byte(decoded, length) => Token::Byte(decoded, at + 1 + length),
        Part::Skipped(length) => Token::Skipped(at + 1 + length),
        Part::Cut if more => Token::Cut,
        Part::Cut | Part::Other if byte == ESCAPE => Token::Skipped(at + 1),
        Part::Cut | Part::Other => Token::Byte(byte, at + 1),
    }
}

/// The part of a notation after its first byte, with its length.
enum Part {
    Byte(u8, usize),
    Skipped(usize),
    Cut,
    /// The first byte has no special meaning here.
    Other,
}

/// A code such as `ESC [ 31 m`.
fn terminal_code(rest: &[u8]) -> Part {
    match rest.split_first() {
        None => Part::Cut,
        Some((b'[', code)) => match code.iter().take(MAX_CODE).position(|byte| !(0x20..0x40).contains(byte)) {
            Some(end) if (0x40..0x7f).contains(&code[end]) => Part::Skipped(end + 2),
            None if code.len() < MAX_CODE => Part::Cut,
            _ => Part::Other,
        },
        Some(_) => Part::Other,
    }
}

/// An escape of JSON, of a programming language or of a shell. A line end after a backslash continues the line.
fn after_backslash(rest: &[u8]) -> Part {
    match rest.split_first() {
        None => Part::Cut,
        Some((b'n' | b'r' | b't', _)) => Part::Skipped(1),
        Some((b'\n' | b'\r', _)) => Part::Skipped(0),
        Some((b'x', digits)) => in_word(digits, 2),
        Some((b'u', digits)) => in_word(digits, 4),
        Some((&byte, _)) if byte.is_ascii_punctuation() => Part::Byte(byte, 1),
        Some(_) => Part::Other,
    }
}

fn in_word(digits: &[u8], count: usize) -> Part {
    match hexadecimal(digits, count) {
        Part::Byte(byte, length) => Part::Byte(byte, length + 1),
        other => other,
    }
}

/// A byte of two digits, or an ASCII character of four digits.
fn hexadecimal(digits: &[u8], count: usize) -> Part {
    let written = &digits[..digits.len().min(count)];
    let value = written.iter().try_fold(0_u32, |value, &digit| Some(value * 16 + char::from(digit).to_digit(16)?));
    match value {
        Some(_) if written.len() < count => Part::Cut,
        Some(value) if value < 0x80 || count == 2 => {
            u8::try_from(value).map_or(Part::Other, |byte| Part::Byte(byte, count))
        }
        _ => Part::Other,
    }
}

/// The bytes of a text from a position, with the end of each. Stops at the end of the text and at a gap.
pub(super) struct Bytes<'t> {
    text: &'t [u8],
    at: usize,
    more: bool,
    /// Whether the iterator has stopped at the end of the text, so that more text may continue it.
    pub(super) is_at_end: bool,
}

impl<'t> Bytes<'t> {
    pub(super) fn new(text: &'t [u8], at: usize, more: bool) -> Self {
        Self { text, at, more, is_at_end: false }
    }
}

impl Iterator for Bytes<'_> {
    type Item = (u8, usize);

    fn next(&mut self) -> Option<(u8, usize)> {
        let most = self.at + MAX_GAP;
        while self.at < self.text.len() {
            match token(self.text, self.at, self.more) {
                Token::Byte(byte, end) => {
                    self.at = end;
                    return Some((byte, end));
                }
                Token::Skipped(end) if end <= most => self.at = end,
                Token::Skipped(_) => return None,
                Token::Cut => break,
            }
        }
        self.is_at_end = true;
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, more: bool) -> String {
        Bytes::new(text.as_bytes(), 0, more).map(|(byte, _)| char::from(byte)).collect()
    }

    #[test]
    fn escapes_are_decoded_and_blanks_and_codes_are_skipped() {
        for (written, wanted) in [
            ("a b\t\r\n  c\0", "abc"),
            ("a\u{1b}[1;31mb\u{1b}[0mc\u{1b}d", "abcd"),
            (r#"\u003d\u003D\x3d%3D%3d\"\/\\"#, "=====\"/\\"),
            (r"a\nb\r\nc\td\u000ae\x00f%20g", "abcdefg"),
            ("a\\\nb\\\r\nc", "abc"),
            (r"\u00e9 \q %zz 100%", r"\u00e9\q%zz100%"),
        ] {
            assert_eq!(read(written, false), wanted, "{written:?}");
        }
    }

    #[test]
    fn a_notation_that_may_continue_is_not_read() {
        for (cut, whole) in [("a%3", "a%3"), ("a\\", "a\\"), (r"a\u00", r"a\u00"), ("a\u{1b}[3", "a[3")] {
            assert_eq!((read(cut, true).as_str(), read(cut, false).as_str()), ("a", whole), "{cut:?}");
        }
        let gap = " ".repeat(MAX_GAP + 1);
        assert_eq!(read(&format!("ab{gap}c"), true), "ab", "values do not have such gaps");
    }
}
