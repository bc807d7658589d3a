//! Answers in XML: those of STS, and some errors.

use quick_xml::{Reader, escape::unescape, events::Event};

/// The text of the first element with a name, at any depth. The names that are read occur once in an answer.
pub(super) fn text(body: &[u8], name: &str) -> Option<String> {
    let body = std::str::from_utf8(body).ok()?;
    let mut reader = Reader::from_str(body);
    loop {
        match reader.read_event().ok()? {
            Event::Start(start) if start.local_name().as_ref() == name => {
                let raw = reader.read_text(start.name()).ok()?;
                return unescape(&raw).ok().map(|text| text.trim().to_owned());
            }
            Event::Eof => return None,
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::text;

    #[test]
    fn the_first_element_with_a_name_is_found_at_any_depth() {
        let body = br#"<?xml version="1.0"?>
<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
  <Error><Type>Sender</Type><Code>AccessDenied</Code><Message>a &lt;b&gt; &amp; c</Message></Error>
</ErrorResponse>"#;
        assert_eq!(text(body, "Code").as_deref(), Some("AccessDenied"));
        assert_eq!(text(body, "Message").as_deref(), Some("a <b> & c"));
        assert_eq!(text(body, "Arn"), None);
    }

    #[test]
    fn invalid_xml_has_no_elements() {
        for body in [&b"<html><p>"[..], b"<Code>cut off", b"\xff<Code>x</Code>", b""] {
            assert_eq!(text(body, "Code"), None);
        }
    }
}
