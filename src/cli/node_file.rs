//! `/etc/nodeagent.toml`: the settings of this node for all commands.

use std::{
    collections::BTreeSet,
    io,
    path::{Path, PathBuf},
    str::FromStr,
};

use serde::Deserialize;
use toml::Spanned;
use url::Url;

use super::CommandError;
use crate::{
    diagnostic::{Diagnostic, Source},
    redact,
    trust::PublicKey,
};

const KNOWN: &str = "known keys: `filestore = \"/path/of/the/file/store\"`, `trusted-keys = [\"RW…\"]`, `minimum-serial = 1`, \
                     `access = \"required\"`, `store = \"/path/that/nodes/share\"`, `store-limit = \"10 GiB\"`, `pass-environment = [\"NAME\"]`, \
                     `insecure-http = [\"HOST\"]`, `wait-for-disk = true`";

/// The file as written.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Raw {
    filestore: Option<PathBuf>,
    trusted_keys: Option<Spanned<Vec<Spanned<String>>>>,
    minimum_serial: Option<u64>,
    #[serde(default)]
    access: AccessFile,
    store: Option<String>,
    store_limit: Option<Size>,
    #[serde(default)]
    pass_environment: Vec<Spanned<String>>,
    #[serde(default)]
    insecure_http: Vec<Spanned<String>>,
    #[serde(default)]
    wait_for_disk: bool,
}

/// The settings of the node.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct NodeFile {
    /// The shared file store.
    pub(super) filestore: Option<PathBuf>,
    /// Whether an access file is required.
    pub(super) access: AccessFile,
    /// The keys whose signatures are accepted; empty if the file names none.
    pub(super) trusted_keys: Vec<PublicKey>,
    /// The minimum serial of signed files.
    pub(super) minimum_serial: u64,
    /// The store that nodes share.
    pub(super) store: Option<String>,
    /// The maximum size of the local store.
    pub(super) store_limit: Option<Size>,
    /// Variables of the environment that programs get, in addition to the usual ones.
    pub(super) pass_environment: BTreeSet<String>,
    /// Hosts whose addresses need no encryption.
    pub(super) insecure_http: BTreeSet<String>,
    /// Whether a step waits until its files are on the disk.
    pub(super) waits_for_disk: bool,
}

/// A size such as `20 GiB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Size(pub(super) u64);

impl TryFrom<String> for Size {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = text.split_at(digits);
        let unit: u64 = match unit.trim() {
            "B" => 1,
            "MB" => 1_000_000,
            "MiB" => 1 << 20,
            "GB" => 1_000_000_000,
            "GiB" => 1 << 30,
            "TiB" => 1 << 40,
            _ => return Err(format!("`{text}` is not a size; write it as 500 MiB or 10 GiB")),
        };
        let size = number.parse::<u64>().ok().and_then(|number| number.checked_mul(unit));
        size.map(Self).ok_or_else(|| format!("`{text}` is not a size; write it as 500 MiB or 10 GiB"))
    }
}

/// Whether the node requires an access file.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum AccessFile {
    /// An access file is used if there is one. Without it there is no access control.
    #[default]
    Optional,
    /// Without an access file everything is refused.
    Required,
}

/// Reads the file. A missing file has the default settings. An unreadable file is an error, because it may restrict the
/// trusted keys.
pub(super) fn read(root: &Path) -> Result<NodeFile, CommandError> {
    let path = root.join("etc/nodeagent.toml");
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(NodeFile::default());
        }
        Err(error) => {
            let mistake = Diagnostic::nowhere(format!("`{}` could not be read: {error}", path.display()));
            return Err(mistake.hint("make it readable for all users (mode 0644); it contains no secrets").into());
        }
    };
    let source = Source::new(path.display().to_string(), text.as_str());
    let raw: Raw = toml::from_str(&text).map_err(|error| {
        let mistake = Diagnostic::at(&source, error.span().unwrap_or(0..0), error.message().to_owned());
        CommandError::from(mistake.hint(KNOWN))
    })?;
    let mut mistakes = Vec::new();
    let mut trusted_keys = Vec::new();
    if let Some(keys) = &raw.trusted_keys {
        if keys.get_ref().is_empty() {
            let mistake = Diagnostic::at(&source, keys.span(), "`trusted-keys` names no key");
            mistakes.push(mistake.hint("name a key, or remove the line to accept unsigned files"));
        }
        for key in keys.get_ref() {
            match PublicKey::parse(key.get_ref()) {
                Ok(key) => trusted_keys.push(key),
                Err(error) => {
                    let mistake = Diagnostic::at(&source, key.span(), format!("this key cannot be used: {error}"));
                    mistakes.push(mistake.hint(error.hint()));
                }
            }
        }
    }
    for name in &raw.pass_environment {
        if let Some((message, hint)) = unpassable(name.get_ref()) {
            mistakes.push(Diagnostic::at(&source, name.span(), message).hint(hint));
        }
    }
    let mut insecure_http = BTreeSet::new();
    for host in &raw.insecure_http {
        if let Some(name) = host_name(host.get_ref()) {
            insecure_http.insert(name);
        } else {
            let mistake = Diagnostic::at(&source, host.span(), format!("`{}` is not a host", host.get_ref()));
            mistakes.push(mistake.hint("write the name only, such as `pypi.firm.example`, without a port"));
        }
    }
    if !mistakes.is_empty() {
        return Err(CommandError::Mistakes(mistakes));
    }
    Ok(NodeFile {
        filestore: raw.filestore,
        trusted_keys,
        minimum_serial: raw.minimum_serial.unwrap_or(0),
        access: raw.access,
        store: raw.store,
        store_limit: raw.store_limit,
        pass_environment: raw.pass_environment.into_iter().map(Spanned::into_inner).collect(),
        insecure_http,
        waits_for_disk: raw.wait_for_disk,
    })
}

/// Why a variable cannot be passed to programs, and the remedy.
fn unpassable(name: &str) -> Option<(String, &'static str)> {
    let is_name = name
        .bytes()
        .enumerate()
        .all(|(at, byte)| byte == b'_' || byte.is_ascii_alphabetic() || (at > 0 && byte.is_ascii_digit()));
    if name.is_empty() || !is_name {
        Some((format!("`{name}` is not the name of a variable"), "write the name only, such as `PIP_INDEX_URL`"))
    } else if redact::holds_credential(name) {
        Some((format!("`{name}` holds a credential, which no program gets"), "deliver the value with `[secrets]`"))
    } else {
        None
    }
}

/// A host as it is in addresses. `None` if the text is not only a host.
fn host_name(text: &str) -> Option<String> {
    let url = Url::parse(&format!("http://{text}/")).ok()?;
    let host = url.host_str()?.to_owned();
    text.eq_ignore_ascii_case(&host).then_some(host)
}
