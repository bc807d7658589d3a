//! Formats figures and text of other programs: durations, counts, shortened and sanitized lines. The terminal, the
//! tables and the pages share this module.

use super::event::StoreUse;
use crate::redact;

/// A duration: `43 ms`, `8.2 s`, `2 min 05 s`, `1 h 02 min`.
pub fn duration(seconds: f64) -> String {
    let milliseconds = whole(seconds * 1000.0);
    let tenths = whole(seconds * 10.0);
    let rounded = whole(seconds);
    if milliseconds < 1000 {
        format!("{milliseconds} ms")
    } else if tenths < 600 {
        format!("{}.{} s", tenths / 10, tenths % 10)
    } else if rounded < 3600 {
        format!("{} min {:02} s", rounded / 60, rounded % 60)
    } else {
        format!("{} h {:02} min", rounded / 3600, rounded % 3600 / 60)
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a cast saturates, and NaN becomes 0")]
fn whole(value: f64) -> u64 {
    value.round() as u64
}

/// A number of bytes: `4.00 MB`.
pub fn bytes(number: u64) -> String {
    indicatif::DecimalBytes(number).to_string()
}

/// Fetched bytes by source: `fetched 12.00 MB: 8.00 MB from this node's store, 4.00 MB from the origin`.
pub fn fetched(store: &StoreUse) -> String {
    let all = [
        (store.local, "from this node's store"),
        (store.shared, "from the shared store"),
        (store.origin, "from the origin"),
    ];
    let total = all.iter().map(|(served, _)| served.bytes).sum();
    let parts = all.iter().filter(|(served, _)| served.objects > 0);
    let parts: Vec<String> = parts.map(|(served, source)| format!("{} {source}", bytes(served.bytes))).collect();
    format!("fetched {}: {}", bytes(total), parts.join(", "))
}

/// A number of items: `1 package`, `3 packages`.
pub fn counted(number: usize, thing: &str) -> String {
    if number == 1 { format!("1 {thing}") } else { format!("{number} {thing}s") }
}

/// Sanitizes text to one line without secrets and terminal control sequences. Colour sequences are removed, other
/// control characters and direction marks become `�`, line ends and tabs become spaces.
pub fn clean(text: &str) -> String {
    // Redact before and after: a colour sequence may divide a secret.
    redact::text(&without_control(&redact::text(text))).into_owned()
}

fn without_control(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    let mut rest = text.trim_end().chars().peekable();
    while let Some(character) = rest.next() {
        match character {
            '\u{1b}' if rest.peek() == Some(&'[') => {
                rest.next();
                // A control sequence ends with a byte from `@` to `~`.
                while rest.next_if(|next| !('@'..='~').contains(next)).is_some() {}
                rest.next();
            }
            '\r' if rest.peek() == Some(&'\n') => {}
            '\n' | '\t' => line.push(' '),
            other => line.push(harmless(other)),
        }
    }
    line
}

/// The character itself, or `�` if it could control a terminal or hide text.
pub(super) fn harmless(character: char) -> char {
    let steers = character.is_control()
        || matches!(character, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    if steers { '\u{fffd}' } else { character }
}

/// A sanitized line of at most `most` characters. Shortened lines end with `...`.
pub fn cut(text: &str, most: usize) -> String {
    let line = clean(text);
    if line.chars().count() <= most {
        return line;
    }
    let kept: String = line.chars().take(most.saturating_sub(3)).collect();
    format!("{}...", kept.trim_end())
}

/// Joins lines to one text. Each gets a line end.
pub fn lines<S: AsRef<str>>(lines: impl IntoIterator<Item = S>) -> String {
    let mut text = String::new();
    for line in lines {
        text.push_str(line.as_ref());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::event::Served;

    #[test]
    fn durations_have_two_or_three_figures() {
        let texts = [0.0, 0.0431, 0.9996, 8.24, 59.96, 125.0, 3599.6, 3725.0].map(duration);
        assert_eq!(texts, ["0 ms", "43 ms", "1.0 s", "8.2 s", "1 min 00 s", "2 min 05 s", "1 h 00 min", "1 h 02 min"]);
    }

    #[test]
    fn invalid_durations_are_formatted() {
        assert_eq!([f64::NAN, -3.0].map(duration), ["0 ms", "0 ms"]);
        assert!(duration(f64::INFINITY).ends_with("min"));
    }

    #[test]
    fn fetched_bytes_by_source_are_one_line() {
        let served = |objects, bytes| Served { objects, bytes };
        let store = StoreUse { local: served(3, 8_000_000), shared: served(0, 0), origin: served(1, 4_000_000) };
        assert_eq!(fetched(&store), "fetched 12.00 MB: 8.00 MB from this node's store, 4.00 MB from the origin");
    }

    #[test]
    fn a_count_of_one_is_singular() {
        assert_eq!([0, 1, 3].map(|n| counted(n, "package")), ["0 packages", "1 package", "3 packages"]);
    }

    #[test]
    fn a_sanitized_line_contains_no_terminal_control() {
        assert_eq!(clean("\u{1b}[1;31mERROR\u{1b}[0m: x\ty\r\nz\n"), "ERROR: x y z");
        assert_eq!(clean("a\u{7}\u{9b}2J\u{1b}c\u{202e}b"), "a\u{fffd}\u{fffd}2J\u{fffd}c\u{fffd}b");
        assert_eq!(clean("cut off \u{1b}[3"), "cut off ");
    }

    #[test]
    fn a_secret_is_redacted_across_colours_and_before_shortening() {
        drop(redact::Secret::from("hunter22hunter22".to_owned()));
        assert_eq!(clean("x \u{1b}[31mhunter22\u{1b}[0mhunter22"), "x [redacted]");
        assert_eq!(cut("the password hunter22hunter22 is wrong", 26), "the password [redacted]...");
    }

    #[test]
    fn a_long_line_is_shortened_between_characters() {
        assert_eq!(cut("äöüäöüäöü", 6), "äöü...");
        assert_eq!(cut("short", 6), "short");
    }
}
