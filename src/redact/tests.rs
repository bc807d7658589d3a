//! Random values in every form of which `docs/security.md` says that it is redacted, in streams that are split
//! anywhere.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use fastrand::Rng;

use super::{REDACTED, Secret, Stream, forget, text};

const MARKS: &[u8] = b"=<>&'+\"/\\%$ !#,.:;?@[]^_`{|}~()*-";

/// A value without blanks at its ends.
fn value(random: &mut Rng) -> String {
    let length = random.usize(8..120);
    let others: &[char] = if random.bool() { &['\u{e9}', '\u{df}', '\u{20ac}'] } else { &[] };
    let one = |random: &mut Rng| match random.usize(..8) {
        0 => char::from(*random.choice(MARKS).expect("not empty")),
        1 if !others.is_empty() => *random.choice(others).expect("not empty"),
        _ => random.alphanumeric(),
    };
    let middle: String = (0..length).map(|_| one(random)).collect();
    format!("q{middle}q")
}

/// The bytes of a text, each one a unit.
fn units(text: impl AsRef<[u8]>) -> Vec<Vec<u8>> {
    text.as_ref().iter().map(|&byte| vec![byte]).collect()
}

/// Units with something between any of them.
fn broken(units: Vec<Vec<u8>>, mut between: impl FnMut(usize) -> Vec<u8>) -> Vec<Vec<u8>> {
    units.into_iter().enumerate().map(|(number, unit)| [between(number), unit].concat()).collect()
}

fn in_lines(units: Vec<Vec<u8>>, width: usize, first: usize, end: &str) -> Vec<Vec<u8>> {
    broken(units, |number| if number > 0 && (number + first).is_multiple_of(width) { end.into() } else { Vec::new() })
}

/// JSON, with any choice of escaped characters and any case of the digits.
fn in_json(random: &mut Rng, value: &str) -> Vec<Vec<u8>> {
    let escape = |random: &mut Rng, c: char| match c {
        '"' | '\\' => format!("\\{c}"),
        '/' if random.bool() => "\\/".to_owned(),
        _ if c.is_ascii() && random.bool() => {
            let digits = format!("{:04x}", u32::from(c));
            format!("\\u{}", if random.bool() { digits } else { digits.to_uppercase() })
        }
        _ => c.to_string(),
    };
    value.chars().map(|c| escape(random, c).into_bytes()).collect()
}

/// The name of a form, and the value in it.
fn disguise(random: &mut Rng, value: &str) -> (&'static str, Vec<Vec<u8>>) {
    let width = random.usize(1..100);
    let hex = |separator: &str| -> Vec<Vec<u8>> {
        let upper = value.len().is_multiple_of(2);
        let digits = |byte: u8| if upper { format!("{byte:02X}") } else { format!("{byte:02x}") };
        let unit = |(number, byte): (usize, u8)| [if number == 0 { "" } else { separator }, &digits(byte)].concat();
        value.bytes().enumerate().map(unit).map(String::into_bytes).collect()
    };
    match random.usize(..15) {
        0 => ("as it is", units(value)),
        1 => ("lines of any width", in_lines(units(value), width, random.usize(..width), "\n")),
        2 => ("lines with blanks", in_lines(units(value), width, 0, "\r\n    ")),
        3 => ("continued lines", in_lines(units(value), width.max(2), 0, "\\\n")),
        4 => {
            // In longer data, so that it begins anywhere in a group and in a line.
            let (before, after) = (random.usize(..200), random.usize(..9));
            let data = [vec![b'\x07'; before], value.into(), vec![b'\x07'; after]].concat();
            let width = random.choice([60, 64, 76, width]).expect("not empty");
            let lines = in_lines(
                units(STANDARD.encode(data)),
                width,
                0,
                random.choice(["\n", "\r\n", "\\n"]).expect("not empty"),
            );
            let (first, last) = ((before * 8).div_ceil(6), (before + value.len()) * 8 / 6);
            let mut joined = lines[first..last].to_vec();
            joined[0] = lines[..=first].concat();
            joined.last_mut().expect("not empty").extend(lines[last..].concat());
            ("base64", joined)
        }
        5 => ("UTF-16, little endian", value.encode_utf16().map(|unit| unit.to_le_bytes().to_vec()).collect()),
        6 => ("UTF-16, big endian", value.encode_utf16().map(|unit| unit.to_be_bytes().to_vec()).collect()),
        7 => {
            let colours = ["", "", "\u{1b}[0m", "\u{1b}[1;38;5;196m", "\u{1b}[K"];
            ("colours", broken(units(value), |_| (*random.choice(colours).expect("not empty")).into()))
        }
        8 => ("hexadecimal", in_lines(hex(""), width, 0, "\n")),
        9 => ("hexadecimal with blanks", in_lines(hex(" "), 16, 0, "\n")),
        10 => ("hexadecimal with colons", in_lines(hex(":"), 18, 0, "\n    ")),
        11 => ("hexadecimal with dashes", hex("-")),
        12 => ("JSON", in_json(random, value)),
        13 => {
            let percent = |byte: u8, random: &mut Rng| match byte {
                byte if byte.is_ascii_alphanumeric() || (!br"%\ ".contains(&byte) && random.bool()) => vec![byte],
                byte if random.bool() => format!("%{byte:02x}").into_bytes(),
                byte => format!("%{byte:02X}").into_bytes(),
            };
            ("percent-encoded", value.bytes().map(|byte| percent(byte, random)).collect())
        }
        _ => ("escaped bytes", value.bytes().map(|byte| format!("\\x{byte:02x}").into_bytes()).collect()),
    }
}

#[test]
fn no_six_characters_of_a_random_value_remain_in_any_form() {
    let random = &mut Rng::with_seed(4711);
    for round in 0..1000 {
        forget();
        let value = value(random);
        drop(Secret::from(value.clone()));
        let (form, units) = disguise(random, &value);
        let whole = [b"## 123 ## ".to_vec(), units.concat(), b" ## 456 ##\n".to_vec()].concat();
        let (mut stream, mut shown, mut rest) = (Stream::default(), Vec::new(), whole.as_slice());
        let most = random.choice([3, 40, 4000]).expect("not empty");
        while !rest.is_empty() {
            let (piece, after) = rest.split_at(random.usize(1..=most).min(rest.len()));
            shown.extend_from_slice(&stream.push(piece));
            rest = after;
        }
        shown.extend(stream.finish());
        let context = || format!("round {round}, {form}: {value:?} in {}", shown.escape_ascii());
        assert!(shown.windows(REDACTED.len()).any(|part| part == REDACTED.as_bytes()), "{}", context());
        for part in units.windows(6).map(<[_]>::concat) {
            assert!(!shown.windows(part.len()).any(|other| other == part), "{}: {}", context(), part.escape_ascii());
        }
        assert!(shown.starts_with(b"## 123 ## ") && shown.ends_with(b" ## 456 ##\n"), "{}", context());
    }
}

#[test]
fn values_in_pieces_are_redacted_in_whole_texts() {
    drop(Secret::from("hunter22=<&>'+".to_owned()));
    for written in [
        "hun\nter22=<&>'+",
        "h\nu\nn\nt\ne\nr\n2\n2\n=\n<\n&\n>\n'\n+",
        "hunter22=\\\n    <&>'+",
        "\u{1b}[31mhun\u{1b}[0mter22=<&>'+",
        r"hunter22\u003d\u003C\u0026>\u0027\u002B",
        "h\0u\0n\0t\0e\0r\x002\x002\0=\0<\0&\0>\0'\0+",
        "68 75 6e 74 65 72 32 32 3d 3c 26 3e 27 2b",
        "68:75:6e:74:65:72:32:32:3d:3c:26:3e:27:2b",
        "6875 6e74 6572 3232 3d3c 263e 272b",
        "0x68, 0x75, 0x6e, 0x74, 0x65, 0x72, 0x32, 0x32, 0x3d, 0x3c, 0x26, 0x3e, 0x27, 0x2b",
    ] {
        let shown = text(written).into_owned();
        assert_eq!(shown.trim_start_matches("\u{1b}[31m"), REDACTED, "{written:?}");
    }
}
