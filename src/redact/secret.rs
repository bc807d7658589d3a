//! Secret values without a text form.

use std::{fmt, sync::Arc};

use secrecy::{ExposeSecret as _, SecretSlice, zeroize::Zeroize as _};

use super::registry;

/// A secret value. It cannot be printed, and is redacted from all texts that leave the process.
///
/// The registry keeps a copy until the process ends, because a child may print the value later.
/// [`forget`](super::forget) wipes both.
#[derive(Clone)]
pub struct Secret(Arc<SecretSlice<u8>>);

impl Secret {
    /// Registers a value as a secret.
    pub fn new(mut bytes: Vec<u8>) -> Self {
        // An exact copy: shrinking the vector may move it and leave its old memory unwiped.
        let exact: Box<[u8]> = bytes.as_slice().into();
        bytes.zeroize();
        let value = Arc::new(exact.into());
        registry::add(&value);
        Self(value)
    }

    /// The bytes of the value. This is the only access, so that all uses can be found by its name.
    pub fn reveal(&self) -> &[u8] {
        self.0.expose_secret()
    }
}

impl Secret {
    /// A password without one line end, which editors append.
    pub fn without_line_end(&self) -> &[u8] {
        let bytes = self.reveal();
        bytes.strip_suffix(b"\n").map_or(bytes, |bytes| bytes.strip_suffix(b"\r").unwrap_or(bytes))
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self::new(text.into_bytes())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret([redacted])")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_end_is_removed_from_a_password() {
        for (written, password) in [("a\n", "a"), ("a\r\n", "a"), ("a\n\n", "a\n"), ("a\r", "a\r"), ("a", "a")] {
            assert_eq!(Secret::from(written.to_owned()).without_line_end(), password.as_bytes(), "{written:?}");
        }
    }

    #[test]
    fn only_reveal_returns_a_value() {
        let secret = Secret::from("hunter22".to_owned());
        assert_eq!(format!("{secret:?} {:?}", Some(&secret)), "Secret([redacted]) Some(Secret([redacted]))");
        assert_eq!(secret.clone().reveal(), b"hunter22");
    }
}
