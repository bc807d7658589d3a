//! Attacks on a signature. Each row of the table names the check that detects it.

use super::*;
use crate::trust::{SecretKey, trusted_comment};

const PATH: &str = "/store/Family/init_scripts/family.toml";
const TEXT: &str = "schema = 1\nname = \"family\"\n";

struct Case {
    key: SecretKey,
    trusted: TrustedKeys,
}

impl Case {
    fn new() -> Self {
        let key = SecretKey::generate().expect("random numbers");
        let trusted = TrustedKeys::new(vec![SecretKey::generate().expect("random").public(), key.public()]);
        Self { key, trusted }
    }

    fn signature_for(&self, text: &str, file: &str) -> String {
        let comment = trusted_comment(1_700_000_000, file, Some("looked at"));
        self.key.sign(&Prehash::of(text.as_bytes()), &comment).expect("it signs").to_file()
    }

    fn signature(&self) -> String {
        self.signature_for(TEXT, "family.toml")
    }

    fn check(&self, text: &str, signature: &[u8]) -> Result<Signed, Distrust> {
        self.trusted.check(Path::new(PATH), text.as_bytes(), Some(signature))
    }
}

#[test]
fn a_valid_signature_returns_its_key_and_comment() {
    let case = Case::new();
    let signed = case.check(TEXT, case.signature().as_bytes()).expect("a valid signature");
    assert_eq!(signed.key, case.key.public().id());
    assert_eq!(signed.comment, "timestamp:1700000000\tfile:family.toml\thashed\tlooked at");
    let from_windows = case.signature().replace('\n', "\r\n");
    assert!(case.check(TEXT, from_windows.as_bytes()).is_ok(), "the signature's own line ends say nothing");
    let without_end = case.signature().trim_end().to_owned();
    assert!(case.check(TEXT, without_end.as_bytes()).is_ok());
}

#[test]
fn every_changed_byte_of_the_file_is_refused() {
    let case = Case::new();
    let signature = case.signature();
    for at in 0..TEXT.len() {
        for bit in 0..8 {
            let mut bytes = TEXT.as_bytes().to_vec();
            bytes[at] ^= 1 << bit;
            let found = case.trusted.check(Path::new(PATH), &bytes, Some(signature.as_bytes()));
            assert_eq!(found, Err(Distrust::BadSignature(case.key.public().id())), "byte {at}, bit {bit}");
        }
    }
}

#[test]
fn every_changed_byte_of_the_signature_is_refused_or_has_no_effect() {
    let case = Case::new();
    let signature = case.signature();
    // The untrusted comment is not signed. It is neither shown nor used.
    let free = "untrusted comment: ".len()..signature.find('\n').expect("four lines");
    let last = signature.len() - 1;
    for at in 0..signature.len() {
        for value in 0..=u8::MAX {
            let mut bytes = signature.as_bytes().to_vec();
            if bytes[at] == value {
                continue;
            }
            bytes[at] = value;
            let found = case.check(TEXT, &bytes);
            // Nothing may follow the last line feed, and white space there would belong to the line.
            let is_free = free.contains(&at) && value != b'\n' && value.is_ascii() || at == last && value == b'\r';
            assert_eq!(found.is_ok(), is_free, "byte {at} as {value}: {found:?}");
        }
    }
}

#[test]
fn every_truncation_is_refused() {
    let case = Case::new();
    let signature = case.signature();
    for length in 0..signature.len() - 1 {
        let found = case.check(TEXT, &signature.as_bytes()[..length]);
        assert!(matches!(found, Err(Distrust::Malformed(_))), "{length}: {found:?}");
    }
    for length in 0..TEXT.len() {
        let found = case.check(&TEXT[..length], signature.as_bytes());
        assert!(matches!(found, Err(Distrust::BadSignature(_))), "{length}: {found:?}");
    }
}

#[test]
fn every_changed_bit_of_the_key_is_refused() {
    let case = Case::new();
    let (signature, text) = (case.signature(), case.key.public().to_string());
    for at in 0..text.len() {
        for bit in 0..8 {
            let mut bytes = text.clone().into_bytes();
            bytes[at] ^= 1 << bit;
            let key = String::from_utf8(bytes).ok().and_then(|text| PublicKey::parse(&text).ok());
            let found = key.map(|key| {
                TrustedKeys::new(vec![key]).check(Path::new(PATH), TEXT.as_bytes(), Some(signature.as_bytes()))
            });
            let caught = matches!(found, None | Some(Err(Distrust::UnknownKey(_) | Distrust::BadSignature(_))));
            assert!(caught, "byte {at}, bit {bit}: {found:?}");
        }
    }
}

#[test]
fn each_attack_is_detected_by_its_check() {
    let (case, other) = (Case::new(), Case::new());
    let id = case.key.public().id();
    let good = case.signature();
    let lines: Vec<&str> = good.lines().collect();
    let with = |index: usize, line: &str| {
        let mut changed: Vec<&str> = lines.clone();
        changed[index] = line;
        changed.join("\n") + "\n"
    };
    let comment = lines[2].replace("looked at", "approved!");
    let nightly = case.signature_for(TEXT, "nightly.toml");
    let of_others = case.signature_for(TEXT, "Criminal/init_scripts/family.toml");
    let mut forged_id = base64_of(lines[1]);
    forged_id[2..10].copy_from_slice(&other.key.public().id().0);
    let mut legacy = base64_of(lines[1]);
    legacy[1] = b'd';
    let mut unknown = base64_of(lines[1]);
    unknown[1] = b'X';
    let rows: [(&str, String, Distrust); 17] = [
        ("signed by a key that is not trusted", other.signature(), Distrust::UnknownKey(other.key.public().id())),
        ("the number of another key", with(1, &to_base64(&forged_id)), Distrust::UnknownKey(other.key.public().id())),
        (
            "the signature of another version",
            case.signature_for("schema = 1\n", "family.toml"),
            Distrust::BadSignature(id),
        ),
        (
            "the signature of another file with this content",
            nightly.clone(),
            Distrust::OtherFile("nightly.toml".into()),
        ),
        ("case of the name", case.signature_for(TEXT, "Family.toml"), Distrust::OtherFile("Family.toml".into())),
        ("another unit's", of_others, Distrust::OtherFile("Criminal/init_scripts/family.toml".into())),
        ("a changed comment", with(2, &comment), Distrust::BadComment(id)),
        (
            "the comment of another signature",
            with(3, nightly.lines().nth(3).expect("four lines")),
            Distrust::BadComment(id),
        ),
        ("a legacy signature", with(1, &to_base64(&legacy)), Distrust::Malformed(Malformed::Legacy)),
        ("an unknown algorithm", with(1, &to_base64(&unknown)), Distrust::Malformed(Malformed::Algorithm)),
        ("a fifth line", format!("{good}more\n"), Distrust::Malformed(Malformed::Lines)),
        ("no comment", with(0, "x"), Distrust::Malformed(Malformed::Comment)),
        (
            "a comment that moves the cursor",
            with(2, "trusted comment: \u{1b}[2J"),
            Distrust::Malformed(Malformed::Comment),
        ),
        ("base64 with space in it", with(1, &format!("{} ", lines[1])), Distrust::Malformed(Malformed::Damaged)),
        ("two signatures", good.repeat(2), Distrust::Malformed(Malformed::Lines)),
        ("a huge one", good.clone() + &" ".repeat(16 << 10), Distrust::Malformed(Malformed::TooLong)),
        ("none", String::new(), Distrust::Malformed(Malformed::Lines)),
    ];
    for (attack, signature, wanted) in rows {
        assert_eq!(case.check(TEXT, signature.as_bytes()), Err(wanted), "{attack}");
    }
    assert_eq!(case.check(&TEXT.replace('\n', "\r\n"), good.as_bytes()), Err(Distrust::LineEnds(id)));
    assert_eq!(case.check("x", b"\xff\xfe"), Err(Distrust::Malformed(Malformed::NotText)));
    assert_eq!(case.trusted.check(Path::new(PATH), b"", None), Err(Distrust::NoSignature));
}

/// A file and its hash as a second file: a legacy signature would be valid for one of them.
#[test]
fn a_signature_of_a_file_is_not_valid_for_its_hash() {
    let case = Case::new();
    let hash = Prehash::of(TEXT.as_bytes());
    let good = case.signature_for(TEXT, "family.toml");
    let found = case.trusted.check(Path::new(PATH), hash.bytes(), Some(good.as_bytes()));
    assert_eq!(found, Err(Distrust::BadSignature(case.key.public().id())));
    let legacy =
        good.replacen("RUR", "RWR", 1).replacen("RUS", "RWS", 1).replacen("RUQ", "RWQ", 1).replacen("RUT", "RWT", 1);
    let found = case.trusted.check(Path::new(PATH), hash.bytes(), Some(legacy.as_bytes()));
    assert_eq!(found, Err(Distrust::Malformed(Malformed::Legacy)));
}

#[test]
fn only_higher_serials_are_remembered() {
    let keys = TrustedKeys::new(vec![SecretKey::generate().expect("random").public()]);
    let seen = BTreeMap::from([("access".to_owned(), 7)]);
    let trusted = Trusted::new(keys, 0, seen);
    trusted.check_serial("access", Some(7)).expect("the same");
    assert!(trusted.new_serials().is_empty());
    assert!(trusted.check_serial("access", Some(6)).is_err());
    assert!(trusted.check_absence("access").is_err() && trusted.check_absence("lock:x").is_ok());
    trusted.check_serial("access", Some(9)).expect("higher");
    trusted.check_serial("lock:x", Some(1)).expect("new");
    assert_eq!(trusted.new_serials(), BTreeMap::from([("access".to_owned(), 9), ("lock:x".to_owned(), 1)]));
    let off = Trusted::default();
    assert!(off.check_serial("access", None).is_ok() && off.check_absence("access").is_ok());
}

fn base64_of(line: &str) -> Vec<u8> {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.decode(line).expect("base64")
}

fn to_base64(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

#[test]
fn signatures_are_required_with_keys_only() {
    let (one, other) =
        (SecretKey::generate().expect("random").public(), SecretKey::generate().expect("random").public());
    let keys = TrustedKeys::new(vec![one.clone()]);
    assert!(keys.has(&one) && !keys.has(&other) && !keys.is_empty());
    let trusted = Trusted::new(keys.clone(), 0, BTreeMap::new());
    assert!(trusted.is_on() && !Trusted::default().is_on());
    assert_eq!(trusted.keys(), &keys);
}

#[test]
fn a_digest_is_known_from_the_first_signed_file_that_contains_it_until_clear() {
    let trusted = Trusted::default();
    let (known, unknown) = (Digest::sha256(b"known"), Digest::sha256(b"unknown"));
    trusted.digests().add(known.clone(), "family.lock");
    trusted.digests().add(known.clone(), "family.toml");
    assert_eq!(trusted.digests().named_by(&known).as_deref(), Some("family.lock"));
    assert_eq!(trusted.digests().named_by(&unknown), None);
    trusted.digests().clear();
    assert_eq!(trusted.digests().named_by(&known), None);
}

#[test]
fn hints_name_the_next_step() {
    for (distrust, step) in [
        (Distrust::NoSignature, "`nodeagent sign x.toml --key KEY`"),
        (Distrust::NoDigest, "`sha256`"),
        (Distrust::Unread(String::new()), "`x.toml.minisig`"),
        (Distrust::Malformed(Malformed::Legacy), "minisign 0.11 or later"),
        (Distrust::Malformed(Malformed::Lines), "sign the file again"),
        (Distrust::Old(OldSerial::Gone(7)), "sign a new one"),
    ] {
        assert!(distrust.hint("x.toml").contains(step), "{distrust}");
    }
}
