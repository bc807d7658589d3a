//! The page that `check --show` prints: each value with the line that set it.

use std::fmt::Write as _;

use super::{AssetRef, Entry, Setting, SigningKey};
use crate::{diagnostic::Origin, lock};

/// A merged profile that is being written as TOML.
#[derive(Debug, Default)]
pub struct Page {
    /// The top-level keys, which precede the first section.
    head: String,
    text: String,
    /// The section to open before the next value.
    section: Option<&'static str>,
}

impl Page {
    fn line(&mut self, line: &str) {
        if let Some(section) = self.section.take() {
            let _ = write!(self.text, "\n[{section}]\n");
        }
        self.text.push_str(line);
        self.text.push('\n');
    }

    /// The whole page: the head, then the sections.
    pub(super) fn into_text(self) -> String {
        self.head + &self.text
    }

    /// Begins a section. Its header is written with its first value.
    pub(crate) fn section(&mut self, name: &'static str) {
        self.section = Some(name);
    }

    /// A list among the top-level keys.
    pub(crate) fn top_list<T>(&mut self, key: &str, entries: &[Entry<T>], render: impl Fn(&T) -> String) {
        let mut page = Self::default();
        page.list(key, entries, render);
        self.head.push_str(&page.text);
    }

    pub(super) fn comment(&mut self, text: &str) {
        let _ = writeln!(self.head, "# {text}");
    }

    pub(super) fn bare(&mut self, key: &str, value: &str) {
        let _ = writeln!(self.head, "{key} = {value}");
    }

    pub(crate) fn value(&mut self, key: &str, value: &str, origin: &Origin) {
        self.line(&format!("{:<56}  # {origin}", format!("{key} = {value}")));
    }

    pub(crate) fn default_value(&mut self, key: &str, value: &str) {
        self.line(&format!("{:<56}  # default", format!("{key} = {value}")));
    }

    pub(crate) fn setting<T>(
        &mut self,
        key: &str,
        setting: Option<&Setting<T>>,
        default: &str,
        render: impl Fn(&T) -> String,
    ) {
        match setting {
            Some(setting) => self.value(key, &render(&setting.value), &setting.origin),
            None if default.is_empty() => {}
            None => self.default_value(key, default),
        }
    }

    pub(crate) fn list<T>(&mut self, key: &str, entries: &[Entry<T>], render: impl Fn(&T) -> String) {
        if entries.is_empty() {
            return;
        }
        self.line(&format!("{key} = ["));
        for entry in entries {
            let optional = if entry.optional { ", optional" } else { "" };
            let timeout = entry
                .timeout
                .map(|limit| format!(", timeout {}", humantime::format_duration(limit)))
                .unwrap_or_default();
            self.line(&format!(
                "{:<56}  # {}{optional}{timeout}",
                format!("    {},", render(&entry.value)),
                entry.origin
            ));
        }
        self.line("]");
    }
}

pub(crate) fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}

pub(crate) fn key(name: &str) -> String {
    let plain = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte));
    if plain { name.to_owned() } else { quoted(name) }
}

pub(crate) fn array(list: &[String]) -> String {
    format!("[{}]", list.iter().map(|text| quoted(text)).collect::<Vec<_>>().join(", "))
}

pub(crate) fn asset(asset: &AssetRef) -> String {
    let place = match asset.urls.as_slice() {
        [] => format!("path = {}", quoted(&asset.path)),
        [_] => format!("url = {}", quoted(&asset.path)),
        several => {
            let urls: Vec<String> = several.iter().map(|url| lock::bare(url).to_string()).collect();
            format!("url = {}", array(&urls))
        }
    };
    if let Some(signed) = &asset.signed_by {
        let signature = signed.signature.as_deref().map(|file| format!(", signature = {}", self::asset(file)));
        let key = match &signed.key {
            SigningKey::Text(text) => quoted(text),
            SigningKey::File(file) => self::asset(file),
            SigningKey::OpenPgp { file, fingerprints } => {
                let fingerprints: Vec<String> = fingerprints.iter().cloned().collect();
                format!("{}, fingerprint = {}", self::asset(file), array(&fingerprints))
            }
        };
        return format!("{{ {place}, signed-by = {{ key = {key}{} }} }}", signature.unwrap_or_default());
    }
    match &asset.sha256 {
        Some(digest) => format!("{{ {place}, sha256 = \"{}\" }}", digest.hex()),
        None if asset.urls.len() < 2 => quoted(&asset.path),
        None => format!("{{ {place} }}"),
    }
}
