//! A line in a password file of PostgreSQL: `host:port:database:user:password`. A backslash escapes `:` and `\`
//! (PostgreSQL manual, "The Password File").

use super::format_error::{FormatError, check_one_line};

pub(super) fn line(fields: [&String; 4], value: &[u8]) -> Result<Vec<u8>, FormatError> {
    check_one_line(value)?;
    let mut line = Vec::with_capacity(2 * value.len() + 256);
    for field in fields {
        escaped(field.as_bytes(), &mut line);
        line.push(b':');
    }
    escaped(value, &mut line);
    line.push(b'\n');
    Ok(line)
}

fn escaped(text: &[u8], line: &mut Vec<u8>) {
    for &byte in text {
        if matches!(byte, b':' | b'\\') {
            line.push(b'\\');
        }
        line.push(byte);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colons_and_backslashes_are_escaped_in_every_field() {
        let fields = ["::1".to_owned(), "5432".into(), "*".into(), r"DOM\ann".into()];
        let line = line(fields.each_ref(), br"p:a\ss #1").expect("it fits");
        assert_eq!(line, br"\:\:1:5432:*:DOM\\ann:p\:a\\ss #1".iter().chain(b"\n").copied().collect::<Vec<u8>>());
    }
}
