//! The encodings of a secret value in texts: base64, hexadecimal, percent-encoding, and the escapes of common
//! languages.

use base64::{
    Engine as _, alphabet,
    engine::general_purpose::{GeneralPurpose, PAD, STANDARD},
};
use secrecy::zeroize::Zeroizing;

use super::{
    needle::{HEAD, Needle, copy},
    parts::parts,
};

type Encoded = Needle;

const DIGITS: [&[u8; 16]; 2] = [b"0123456789abcdef", b"0123456789ABCDEF"];
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, PAD);

/// All encodings of a value and of its parts, with duplicates.
pub(super) fn encodings_of(value: &[u8]) -> Vec<Encoded> {
    let mut encodings = Vec::new();
    for part in parts(value) {
        // Programs often trim a value before they print it.
        encodings.push(copy(part.trim_ascii()));
        in_broken_lines(&part, &mut encodings);
        in_base64(&part, &mut encodings);
        in_hexadecimal(&part, &mut encodings);
        in_utf16(&part, &mut encodings);
        in_addresses(&part, &mut encodings);
        in_texts(&part, &mut encodings);
    }
    encodings.retain(|encoded| encoded.len() >= HEAD);
    encodings
}

/// A value with a line end after one or each of its backslashes: the search reads a backslash there as a continued
/// line.
fn in_broken_lines(part: &[u8], encodings: &mut Vec<Encoded>) {
    const MOST: usize = 8;
    for at in memchr::memchr_iter(b'\\', part).take(MOST) {
        encodings.push(Zeroizing::new([&part[..at], &part[at + 1..]].concat()));
    }
    if part.contains(&b'\\') {
        encodings.push(Zeroizing::new(part.iter().copied().filter(|&byte| byte != b'\\').collect()));
    }
}

/// Base64, alone and inside of longer encoded data: the characters that depend on the value only, for each of the three
/// positions of its first byte in a group.
fn in_base64(part: &[u8], encodings: &mut Vec<Encoded>) {
    for engine in [&STANDARD, &URL_SAFE] {
        for before in 0..3 {
            let group = Zeroizing::new([&[0; 2][..before], part].concat());
            let text = Zeroizing::new(engine.encode(&*group).into_bytes());
            let first = (before * 8).div_ceil(6);
            let last = group.len() * 8 / 6;
            let unpadded = text.iter().position(|&byte| byte == b'=').unwrap_or(text.len());
            for end in [last, unpadded, text.len()] {
                encodings.push(copy(&text[first..end]));
            }
        }
    }
}

/// Hexadecimal. Blanks between the digits need no form of their own.
fn in_hexadecimal(part: &[u8], encodings: &mut Vec<Encoded>) {
    for digits in DIGITS {
        for (before, after) in [("", ""), ("", ":"), ("", "-"), ("0x", ",")] {
            let mut encoded = Zeroizing::new(Vec::with_capacity(part.len() * 5));
            for (number, byte) in part.iter().enumerate() {
                encoded.extend_from_slice(if number == 0 { b"" } else { after.as_bytes() });
                encoded.extend_from_slice(before.as_bytes());
                encoded.extend([byte >> 4, byte & 15].map(|digit| digits[usize::from(digit)]));
            }
            encodings.push(encoded);
        }
    }
}

/// UTF-16, as far as it differs from UTF-8 with zero bytes, which the search skips.
fn in_utf16(part: &[u8], encodings: &mut Vec<Encoded>) {
    if let Some(text) = std::str::from_utf8(part).ok().filter(|text| !text.is_ascii()) {
        let units = Zeroizing::new(text.encode_utf16().collect::<Vec<_>>());
        encodings.push(Zeroizing::new(units.iter().flat_map(|unit| unit.to_le_bytes()).collect()));
        encodings.push(Zeroizing::new(units.iter().flat_map(|unit| unit.to_be_bytes()).collect()));
    }
}

/// Percent-encoding, in addresses and in form fields. Encoders differ in the characters that they keep.
fn in_addresses(part: &[u8], encodings: &mut Vec<Encoded>) {
    // RFC 3986; the same and `/` (paths); `encodeURIComponent`; forms (URL standard); names and passwords (URL
    // standard).
    const UNENCODED: [&[u8]; 5] = [b"-_.~", b"-_.~/", b"-_.~!'()*", b"-_.*", b"-_.~!$&'()*+,%"];
    for left in UNENCODED {
        for digits in DIGITS {
            for space in [&b"%20"[..], b"+"] {
                let mut encoded = Zeroizing::new(Vec::with_capacity(part.len() * 3));
                for &byte in part {
                    match byte {
                        b' ' => encoded.extend_from_slice(space),
                        _ if byte.is_ascii_alphanumeric() || left.contains(&byte) => encoded.push(byte),
                        _ => encoded.extend([b'%', digits[usize::from(byte >> 4)], digits[usize::from(byte & 15)]]),
                    }
                }
                push_if_other(encoded, part, encodings);
            }
        }
    }
}

/// Escapes: JSON, string literals of programming languages, shell words, XML, lines of a password file.
fn in_texts(part: &[u8], encodings: &mut Vec<Encoded>) {
    // Escaped bytes as Rust writes them, and as Python does, which keeps one or both kinds of quotes.
    let bytes = Zeroizing::new(part.escape_ascii().to_string());
    for quotes in [&[][..], &["\""], &["'"], &["\"", "'"]] {
        let left =
            quotes.iter().fold(bytes.clone(), |text, quote| Zeroizing::new(text.replace(&format!("\\{quote}"), quote)));
        push_if_other(copy(left.as_bytes()), part, encodings);
    }
    // Programs that read bytes as text show invalid ones as this character.
    let text = Zeroizing::new(String::from_utf8_lossy(part).into_owned());
    push_if_other(copy(text.as_bytes()), part, encodings);
    if let Ok(json) = serde_json::to_string(text.as_str()) {
        let json = Zeroizing::new(json);
        let inner = &json[1..json.len() - 1];
        push_if_other(copy(inner.as_bytes()), part, encodings);
        push_if_other(escaped(inner, |c| !c.is_ascii(), json_escape), part, encodings);
        push_if_other(escaped(inner, |c| !c.is_ascii(), upper_json_escape), part, encodings);
        push_if_other(escaped(inner, |c| "<>&".contains(c), json_escape), part, encodings);
        push_if_other(escaped(inner, |c| c == '/', |c| format!("\\{c}")), part, encodings);
    }
    push_if_other(Zeroizing::new(text.escape_debug().to_string().into_bytes()), part, encodings);
    for quotes in ["", "'"] {
        push_if_other(
            escaped(&text, |c| c.is_control() || c == '\\' || quotes.contains(c), python_escape),
            part,
            encodings,
        );
    }
    let backslash = |c: char| format!("\\{c}");
    let plain = |c: char| c.is_ascii_alphanumeric() || "_@%+=:,./-".contains(c);
    push_if_other(escaped(&text, |c| c == '\'', |_| r"'\''".into()), part, encodings);
    push_if_other(escaped(&text, |c| c == '\'', |_| r#"'"'"'"#.into()), part, encodings);
    push_if_other(escaped(&text, |c| r#"\"$`"#.contains(c), backslash), part, encodings);
    push_if_other(escaped(&text, |c| !plain(c), backslash), part, encodings);
    push_if_other(escaped(&text, |c| r"\:".contains(c), backslash), part, encodings);
    push_if_other(escaped(&text, |c| r"\'".contains(c), backslash), part, encodings);
    for apostrophe in ["&#39;", "&#x27;", "&apos;", "'"] {
        for quote in ["&quot;", "&#34;", "\""] {
            let escape = |c| xml_escape(c, apostrophe, quote).to_owned();
            push_if_other(escaped(&text, |c| "&<>\"'".contains(c), escape), part, encodings);
        }
    }
}

fn push_if_other(encoded: Encoded, part: &[u8], encodings: &mut Vec<Encoded>) {
    if *encoded != part {
        encodings.push(encoded);
    }
}

fn escaped(text: &str, concerns: impl Fn(char) -> bool, escape: impl Fn(char) -> String) -> Encoded {
    let mut encoded = Zeroizing::new(Vec::with_capacity(text.len() + 16));
    for c in text.chars() {
        if concerns(c) {
            encoded.extend_from_slice(escape(c).as_bytes());
        } else {
            encoded.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
        }
    }
    encoded
}

fn json_escape(c: char) -> String {
    let units = c.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}")).collect::<Vec<_>>();
    units.concat()
}

fn upper_json_escape(c: char) -> String {
    json_escape(c).to_ascii_uppercase().replace("\\U", "\\u")
}

/// Like Python's `repr`.
fn python_escape(c: char) -> String {
    match c {
        '\n' => r"\n".into(),
        '\r' => r"\r".into(),
        '\t' => r"\t".into(),
        '\\' | '\'' => format!("\\{c}"),
        _ => format!("\\x{:02x}", u32::from(c)),
    }
}

fn xml_escape<'a>(c: char, apostrophe: &'a str, quote: &'a str) -> &'a str {
    match c {
        '&' => "&amp;",
        '<' => "&lt;",
        '>' => "&gt;",
        '"' => quote,
        _ => apostrophe,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::redact::{REDACTED, Secret, text};

    const VALUE: &str = "p&ss: \"w/rd\" it's 100% <é>\\+~";

    #[test]
    fn all_encodings_of_a_value_are_redacted() {
        drop(Secret::from(VALUE.to_owned()));
        // As written by Python's urllib, json, shlex and repr; by bash, JavaScript, jq and Go.
        for written in [
            VALUE,
            r"p%26ss%3A%20%22w/rd%22%20it%27s%20100%25%20%3C%C3%A9%3E%5C%2B~",
            r"p%26ss%3A%20%22w%2Frd%22%20it%27s%20100%25%20%3C%C3%A9%3E%5C%2B~",
            r"p%26ss%3A+%22w%2Frd%22+it%27s+100%25+%3C%C3%A9%3E%5C%2B~",
            r"p%26ss%3a+%22w%2frd%22+it%27s+100%25+%3c%c3%a9%3e%5c%2b%7e",
            r"p%26ss%3A%20%22w%2Frd%22%20it's%20100%25%20%3C%C3%A9%3E%5C%2B~",
            r#"p&ss: \"w/rd\" it's 100% <é>\\+~"#,
            r#"p&ss: \"w/rd\" it's 100% <\u00e9>\\+~"#,
            r#"p\u0026ss: \"w/rd\" it's 100% \u003cé\u003e\\+~"#,
            r#"p&ss: \"w\/rd\" it's 100% <é>\\+~"#,
            r#"p&ss: "w/rd" it'"'"'s 100% <é>\+~"#,
            r#"p&ss: "w/rd" it'\''s 100% <é>\+~"#,
            r#"p&amp;ss: "w/rd" it's 100% &lt;é&gt;\+~"#,
            r#"p&ss: "w/rd" it\'s 100% <é>\\+~"#,
            r#"p&ss: "w/rd" it\'s 100% <\xc3\xa9>\\+~"#,
            r"p&amp;ss: &quot;w/rd&quot; it&#x27;s 100% &lt;é&gt;\+~",
            r"p&amp;ss: &#34;w/rd&#34; it&#39;s 100% &lt;é&gt;\+~",
        ] {
            assert_eq!(text(&format!("<<{written}>>")), format!("<<{REDACTED}>>"));
        }
    }

    #[test]
    fn base64_is_redacted_alone_and_inside_of_longer_data_in_both_alphabets() {
        // `?` and `>` give `/` and `+`, or `_` and `-`.
        let value = "secret???>>>~~~value";
        drop(Secret::from(value.to_owned()));
        for engine in [&STANDARD, &URL_SAFE] {
            for before in ["", "u", "us", "user:", "reader:x"] {
                for after in ["", "!", "!!", "!!!", "@host"] {
                    let whole = engine.encode(format!("{before}{value}{after}"));
                    for written in [whole.as_str(), whole.trim_end_matches('=')] {
                        let shown = text(&format!("Basic {written}.")).into_owned();
                        let rest = shown.replace(REDACTED, "");
                        // Only characters that also encode neighbouring bytes remain.
                        let neighbours = (before.len() + after.len()).div_ceil(3) * 4 + 2;
                        assert!(shown.contains(REDACTED) && rest.len() <= "Basic .".len() + neighbours, "{shown}");
                    }
                }
            }
        }
    }

    #[test]
    fn base64_broken_into_lines_is_redacted() {
        let value: String = (0..120).map(|n| char::from(b'a' + n % 26)).collect();
        drop(Secret::from(value.clone()));
        for width in [64, 76] {
            let lines = STANDARD.encode(&value).into_bytes();
            let lines: Vec<_> = lines.chunks(width).map(|line| String::from_utf8_lossy(line).into_owned()).collect();
            assert_eq!(text(&lines.join("\n")), REDACTED);
        }
    }

    #[test]
    fn escapes_of_bytes_that_are_not_utf8_are_redacted() {
        drop(Secret::new(b"ab\xffcd\x00ef\n".to_vec()));
        for written in
            [r"ab\xffcd\x00ef", "ab\u{fffd}cd\\x00ef", "ab\u{fffd}cd\u{0}ef", "6162ff6364006566", "6162FF6364006566"]
        {
            assert_eq!(text(&format!("b'{written}'")), format!("b'{REDACTED}'"));
        }
    }

    /// The search reads short values only as they are written, so each of these is a needle of its own.
    #[test]
    fn short_values_are_redacted_in_every_encoding() {
        let both_quotes = [r#"a\n\r\t"\'b"#, r#"a\n\r\t"'b"#, r#"a\n\r\t\"'b"#, r#"a\n\r\t\"\'b"#];
        let rows: [(&str, &[&str]); 9] = [
            ("a&/\u{e9}", &["a%26%2F%C3%A9", "a%26%2f%c3%a9", "a%26/%C3%A9", "a%26/%c3%a9", "a&%2F%C3%A9"]),
            ("a&/\u{e9}", &[r"a&/\u00e9", r"a&/\u00E9", r"a\u0026/\u{e9}", r"a&\/\u{e9}", r"a&/\xc3\xa9"]),
            ("a\u{e9}\u{1}b", &[r"a\u{e9}\x01b", r"a\u{e9}\u0001b", r"a\xc3\xa9\x01b", r"a\u{e9}\u{1}b"]),
            ("a\n\r\t\"'b", &both_quotes),
            ("ab&;_", &[r"ab\&\;_", "ab&amp;;_", "6162263b5f", "61:62:26:3B:5F", "61-62-26-3b-5f", "YWImO18="]),
            ("a$b`", &[r"a\$b\`", "a%24b%60"]),
            ("a:b\\", &[r"a\:b\\", r"a:b\\", "a%3Ab%5C"]),
            ("'a<b", &["%27a%3Cb", "'a%3Cb", "&#39;a&lt;b", "&#x27;a&lt;b", "&apos;a&lt;b", "'a&lt;b", r"\'a<b"]),
            ("\"a>b", &["&quot;a&gt;b", "&#34;a&gt;b", "\"a&gt;b"]),
        ];
        for (value, encoded) in rows {
            crate::redact::forget();
            drop(Secret::from(value.to_owned()));
            for written in encoded.iter().map(|written| written.replace(r"\u{e9}", "\u{e9}")) {
                assert_eq!(text(&format!("<<{written}>>")), format!("<<{REDACTED}>>"), "{value:?}");
            }
        }
    }

    #[test]
    fn a_value_with_line_ends_after_its_backslashes_is_redacted() {
        drop(Secret::from(r"ab\cd\efgh".to_owned()));
        for written in [r"ab\cd\efgh", "ab\\\ncd\\efgh", "ab\\cd\\\nefgh", "ab\\\ncd\\\nefgh"] {
            assert_eq!(text(&format!("<<{written}>>")), format!("<<{REDACTED}>>"));
        }
    }

    #[test]
    fn a_trimmed_value_is_redacted() {
        drop(Secret::from("  hunter22\n".to_owned()));
        assert_eq!(text("it is hunter22."), "it is [redacted].");
        assert_eq!(text("hunter22\nb"), "[redacted]\nb", "a line end after a value is no part of it");
        assert_eq!(text(&STANDARD.encode("  hunter22\n")), REDACTED);
        assert_eq!(text(&STANDARD.encode("hunter22")), REDACTED);
    }
}
