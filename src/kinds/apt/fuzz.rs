//! The entry function of a fuzz target.

use super::{deb_control::DebControl, hints, update::Update, uris};

/// The output of `apt-get --print-uris` and `apt-get update`, and the control file of a package.
pub(crate) fn output(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    for archive in uris::parse(&text) {
        assert!(!archive.name.contains('/'), "a name leads out of the archive folder: {}", archive.name);
        let _ = archive.parts();
    }
    let update = Update::of(&text);
    let _ = (update.is_complete(), update.is_transient());
    if let Some(diagnosis) = hints::diagnose(&text) {
        let _ = (diagnosis.hint(&["jq".to_owned()]), diagnosis.is_final());
    }
    if let Some(control) = DebControl::parse(&text) {
        let _ = control.qualified_name();
    }
}
