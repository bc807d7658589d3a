//! The entry function of a fuzz target.

use super::keytool;

/// The output of `keytool -list -rfc`.
pub(crate) fn keytool(output: &str) {
    for (alias, _) in keytool::parse(output) {
        keytool::is_own(&alias);
    }
}
