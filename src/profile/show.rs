//! Prints a merged profile, each value with the line that set it.

use super::{
    Profile, SCHEMA, Sections,
    page::{Page, key, quoted},
};
use crate::redact::{Hide, hidden_values, without_ranges};

/// The merged profile as TOML, each value followed by the file and line that set it. Values that look like a credential
/// are hidden.
pub fn show<S: Sections>(profile: &Profile<S>) -> String {
    let mut page = Page::default();
    for source in &profile.sources {
        page.comment(&format!("{}  sha256:{}", source.file, source.sha256));
    }
    page.bare("schema", &SCHEMA.to_string());
    page.bare("name", &quoted(&profile.name));
    if let Some(unit) = &profile.business_unit {
        page.bare("business-unit", &quoted(unit));
    }
    page.section("vars");
    for (name, setting) in &profile.vars {
        page.value(&key(name), &quoted(&setting.value), &setting.origin);
    }
    if let Some(ready) = &profile.post_start.ready {
        page.section("post-start");
        page.value("ready", &format!("{{ {} }}", ready.probe.shown()), &ready.origin);
    }
    profile.sections.show(&mut page);
    let text = page.into_text();
    without_ranges(&text, 0..text.len(), &hidden_values(&text, Hide::Credentials))
}
