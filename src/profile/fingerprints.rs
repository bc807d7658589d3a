//! Fingerprints of OpenPGP keys.

use std::collections::BTreeSet;

use super::{Rules, rules::within};
use crate::grammar::{document::Part, names};

impl Rules<'_> {
    /// The fingerprints of a key file.
    pub(crate) fn fingerprints(&mut self, at: &[Part], texts: &[String]) -> BTreeSet<String> {
        const HINT: &str = "40 hexadecimal digits; `gpg --show-keys FILE` prints it";
        if texts.is_empty() {
            self.mistake(at, "`fingerprint` is an empty list", HINT);
        }
        let mut fingerprints = BTreeSet::new();
        for (index, text) in texts.iter().enumerate() {
            let plain = text.chars().filter(|c| !c.is_whitespace()).collect::<String>().to_uppercase();
            if !names::is_fingerprint(&plain) {
                self.mistake(&within(at, index), format!("`{text}` is not a fingerprint"), HINT);
            }
            fingerprints.insert(plain);
        }
        fingerprints
    }
}
