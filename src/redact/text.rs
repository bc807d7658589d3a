//! Redaction of complete texts.

use std::borrow::Cow;

use super::{
    registry::{count, index},
    stream::Stream,
};

/// The text without registered values.
pub fn text(text: &str) -> Cow<'_, str> {
    if count() == 0 || !index().is_in(text.as_bytes()) {
        return Cow::Borrowed(text);
    }
    let mut stream = Stream::default();
    let mut clean = stream.push(text.as_bytes()).into_owned();
    clean.extend(stream.end_of_text());
    Cow::Owned(String::from_utf8_lossy(&clean).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::redact::{REDACTED, Secret, forget};

    #[test]
    fn a_value_is_redacted_from_its_creation_until_forget() {
        assert_eq!(text("the password is hunter22"), "the password is hunter22");
        drop(Secret::from("hunter22".to_owned()));
        assert_eq!(text("the password is hunter22"), format!("the password is {REDACTED}"));
        assert!(matches!(text("all is well"), Cow::Borrowed("all is well")), "it is not copied");
        forget();
        assert_eq!(text("hunter22"), "hunter22");
    }

    #[test]
    fn short_values_are_not_redacted() {
        drop(Secret::from("abc".to_owned()));
        assert_eq!((text("abc"), count()), ("abc".into(), 0));
    }

    #[test]
    fn equal_values_are_registered_once() {
        let secret = Secret::from("hunter22".to_owned());
        drop((secret.clone(), Secret::from("hunter22".to_owned())));
        assert_eq!(count(), 1);
    }

    #[test]
    fn a_partial_value_at_the_end_of_a_whole_text_is_kept() {
        drop(Secret::from("family-4711".to_owned()));
        assert_eq!(text("there is no scope family"), "there is no scope family");
    }
}
