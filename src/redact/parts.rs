//! The parts of a value that are secret on their own: lines, values of settings, texts in JSON, the body of a key, and
//! passwords in addresses.

use memchr::memmem;
use serde_json::Value;

use super::{
    credential_names::{names_credential, passwords},
    needle::{HEAD, Needle, copy},
};

/// Lines, settings and texts are searched for separately if they have at least this length. Shorter ones, such as `}`,
/// are common text.
const MIN_LENGTH: usize = 8;
/// Texts in JSON with these names describe the secret. Their values are common words.
const DESCRIPTIONS: [&str; 2] = ["engine", "type"];

/// The value, the trimmed value, and its parts.
pub(super) fn parts(value: &[u8]) -> Vec<Needle> {
    let trimmed = value.trim_ascii();
    let mut parts = vec![copy(trimmed), copy(value)];
    let lines = || trimmed.split(|&byte| byte == b'\n').map(<[u8]>::trim_ascii);
    if trimmed.contains(&b'\n') {
        parts.extend(lines().filter(|line| line.len() >= MIN_LENGTH).map(copy));
    }
    match Some(trimmed).filter(|text| text.starts_with(b"{") || text.starts_with(b"[")).map(serde_json::from_slice) {
        Some(Ok(json)) => in_json("", json, &mut parts),
        _ => parts.extend(lines().flat_map(|line| line.split(|&byte| byte == b';')).filter_map(setting)),
    }
    parts.extend(key_bodies(trimmed));
    if let Ok(text) = std::str::from_utf8(trimmed) {
        parts.extend(passwords(text).map(|password| copy(password.as_bytes())));
    }
    parts.retain(|part| part.len() >= HEAD);
    parts.sort_unstable_by(|a, b| a.as_slice().cmp(b.as_slice()));
    parts.dedup();
    parts
}

fn is_secret(name: &str, length: usize) -> bool {
    length >= MIN_LENGTH || (length >= HEAD && names_credential(name))
}

/// The texts in a JSON value. Each is wiped.
fn in_json(name: &str, json: Value, parts: &mut Vec<Needle>) {
    match json {
        Value::String(text) => {
            let text = Needle::new(text.into_bytes());
            if is_secret(name, text.len()) && !DESCRIPTIONS.contains(&name) {
                parts.push(text);
            }
        }
        Value::Array(list) => list.into_iter().for_each(|item| in_json(name, item, parts)),
        Value::Object(object) => object.into_iter().for_each(|(name, item)| in_json(&name, item, parts)),
        Value::Number(number) if names_credential(name) => parts.push(Needle::new(number.to_string().into_bytes())),
        Value::Number(_) | Value::Bool(_) | Value::Null => {}
    }
}

/// The value of `key=value` or `key: value`, without quotes.
fn setting(line: &[u8]) -> Option<Needle> {
    let line = line.trim_ascii();
    let line = line.strip_prefix(b"export ").unwrap_or(line).trim_ascii_start();
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"_-. \"'".contains(&byte);
    let end = line.iter().position(|&byte| !is_name(byte))?;
    let value = match line[end] {
        b'=' => &line[end + 1..],
        b':' => line[end + 1..].strip_prefix(b" ").or_else(|| line[end + 1..].strip_prefix(b"="))?,
        _ => return None,
    };
    let value = value.trim_ascii();
    let quoted = [b'"', b'\''].iter().find_map(|&quote| value.strip_prefix(&[quote])?.strip_suffix(&[quote]));
    let value = quoted.unwrap_or(value);
    is_secret(std::str::from_utf8(&line[..end]).ok()?, value.len()).then(|| copy(value))
}

/// The text between the first and the last line of each key or certificate in PEM.
fn key_bodies(text: &[u8]) -> Vec<Needle> {
    let mut bodies = Vec::new();
    for begin in memmem::find_iter(text, b"-----BEGIN ") {
        let rest = &text[begin..];
        let first = memchr::memchr(b'\n', rest).map(|end| &rest[end..]);
        if let Some((body, end)) = first.and_then(|body| Some((body, memmem::find(body, b"-----END ")?))) {
            bodies.push(copy(body[..end].trim_ascii()));
        }
    }
    bodies
}

#[cfg(test)]
mod tests {
    use crate::redact::{Secret, forget, text};

    #[test]
    fn the_parts_of_a_structured_secret_are_redacted_on_their_own() {
        for (secret, printed) in [
            (r#"{"username":"reader","password":"p4ss","engine":"postgres"}"#, "p4ss"),
            (r#"{"db":{"hosts":["one","two"],"note":"a \"longer\" text"}}"#, "a \"longer\" text"),
            (r#"{"list":[{"pin":4711,"port":5432}]}"#, "4711"),
            ("words-of-line-one\nabcde\nwords-of-line-two", "words-of-line-two"),
            ("token:=abcd-efgh", "abcd-efgh"),
            ("# settings\nexport DB_PASSWORD='p4ss'\nUSER=reader\n", "p4ss"),
            ("user: reader\ntoken: \"abcd-efgh\"\n", "abcd-efgh"),
            ("Server=db.example.org;User=reader;Password=p4ss;Encrypt=true", "p4ss"),
            ("postgres://reader:p4ss@db.example.org/x", "p4ss"),
            ("-----BEGIN PRIVATE KEY-----\nMIIEvQ\nIBADAN\n-----END PRIVATE KEY-----\n", "MIIEvQIBADAN"),
        ] {
            forget();
            drop(Secret::from(secret.to_owned()));
            assert_eq!(text(&format!("it is {printed}.")), "it is [redacted].", "{secret}");
            for word in ["reader", "postgres", "true", "one", "5432", "abcde"] {
                assert_eq!(text(word), word, "{secret}");
            }
        }
    }
}
