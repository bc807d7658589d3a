//! Rules of assets: files of the file store, files of the node, and files on servers.

use std::path::{Component, Path};

use url::Url;

use super::{
    AssetRef, Entry, NO_CREDENTIALS, Rules, holds_credentials,
    rules::within,
    shorthand::{OneOrMany, Shorthand},
    written::{self, Asset, Digests, File},
};
use crate::{digest::Digest, grammar::document::Part, lock, redact::is_loopback};

/// Whether an address is in a bucket.
fn is_bucket(url: &Url) -> bool {
    matches!(url.scheme(), "s3" | "gs" | "abfss")
}

/// The keys of an asset in its long form.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AssetKeys<'a> {
    pub(crate) path: Option<&'a str>,
    pub(crate) url: Option<&'a OneOrMany<String>>,
    pub(crate) sha256: Option<&'a Shorthand<Digests>>,
    pub(crate) signed_by: Option<&'a written::SignedBy>,
}

impl<'a> AssetKeys<'a> {
    /// The path or the first address.
    pub(crate) fn name(self) -> &'a str {
        let first = self.url.iter().flat_map(|urls| &urls.0).next();
        self.path.or(first.map(String::as_str)).unwrap_or_default()
    }
}

/// Gives a written type with `path`, `url`, `sha256` and `signed_by` the function `keys`.
macro_rules! asset_keys {
    ($Type:ty) => {
        impl $Type {
            /// The keys of the asset.
            pub(crate) fn keys(&self) -> $crate::profile::AssetKeys<'_> {
                $crate::profile::AssetKeys {
                    path: self.path.as_deref(),
                    url: self.url.as_ref(),
                    sha256: self.sha256.as_ref(),
                    signed_by: self.signed_by.as_ref(),
                }
            }
        }
    };
}
pub(crate) use asset_keys;

asset_keys!(File);
asset_keys!(Asset);

impl Rules<'_> {
    /// Entries of a list of assets, as [`Self::assets`]. An address may be a folder in a bucket.
    pub(crate) fn assets_and_folders(
        &mut self,
        path: &[Part],
        list: &[Shorthand<File>],
        fits: impl Fn(&mut Self, &[Part], &AssetRef) -> bool,
    ) -> Vec<Entry<AssetRef>> {
        self.with_folders(|rules| rules.assets(path, list, fits))
    }

    /// Checks assets whose addresses may be folders in buckets.
    pub(crate) fn with_folders<T>(&mut self, check: impl FnOnce(&mut Self) -> T) -> T {
        self.takes_folders = true;
        let checked = check(self);
        self.takes_folders = false;
        checked
    }

    /// Entries of a list of assets. `fits` reports an asset that cannot be used, such as one with a wrong file name.
    pub(crate) fn assets(
        &mut self,
        path: &[Part],
        list: &[Shorthand<File>],
        fits: impl Fn(&mut Self, &[Part], &AssetRef) -> bool,
    ) -> Vec<Entry<AssetRef>> {
        self.entries(path, list, |rules, at, name, long| {
            let asset = match long {
                None => rules.asset_of_text(at, name)?,
                Some(file) => rules.asset_of_keys(&at[..at.len() - 1], file.keys())?,
            };
            fits(rules, at, &asset).then_some(asset)
        })
    }

    /// One asset: a path in the file store, an absolute path of the node, an address, or a table.
    pub(crate) fn asset_of(&mut self, at: &[Part], written: &Shorthand<Asset>) -> Option<AssetRef> {
        match written {
            Shorthand::Short(text) => {
                let text = self.expanded(at, text)?;
                self.asset_of_text(at, text)
            }
            Shorthand::Long(table) => self.asset_of_keys(at, table.keys()),
        }
    }

    /// An asset in its long form. `at` is the position of the table.
    pub(crate) fn asset_of_keys(&mut self, at: &[Part], keys: AssetKeys<'_>) -> Option<AssetRef> {
        let sha256 = match keys.sha256 {
            Some(written) => Some(self.digest_of(&within(at, "sha256"), written)?),
            None => None,
        };
        let signed_by = match keys.signed_by {
            Some(_) => Some(self.signed_by(at, keys)?),
            None => None,
        };
        match (keys.path, keys.url) {
            (Some(path), None) => {
                let at = within(at, "path");
                let path = self.expanded(&at, path)?;
                self.path_asset(&at, path, sha256)
            }
            (None, Some(OneOrMany(urls))) => {
                let file = self.address_asset(&within(at, "url"), urls, sha256)?;
                if file.is_bucket_folder() && signed_by.is_some() {
                    let hint = "name each file with its own signature, or leave `signed-by` out: `nodeagent lock` \
                                writes the digests";
                    self.mistake(&within(at, "signed-by"), "several files cannot have one signature", hint);
                    return None;
                }
                Some(AssetRef { signed_by, ..file })
            }
            (Some(_), Some(_)) => {
                self.mistake(at, "the asset has both `path` and `url`", "remove one of the keys");
                None
            }
            (None, None) => {
                let hint = "add `path`, a file of the file store or of the node, or `url`";
                self.mistake(at, "the asset has no `path` and no `url`", hint);
                None
            }
        }
    }

    /// An asset in its short form, with its `${…}` replaced.
    pub(crate) fn asset_of_text(&mut self, at: &[Part], text: String) -> Option<AssetRef> {
        if text.contains("://") { self.address_asset(at, &[text], None) } else { self.path_asset(at, text, None) }
    }

    /// A file of the file store or of the node, by its path. `path` is the position of the name.
    pub(crate) fn asset(&mut self, path: &[Part], name: String) -> Option<AssetRef> {
        self.path_asset(path, name, None)
    }

    fn path_asset(&mut self, at: &[Part], name: String, sha256: Option<Digest>) -> Option<AssetRef> {
        let has_parent = Path::new(&name).components().any(|part| part == Component::ParentDir);
        if name.is_empty() || name.contains('\0') || has_parent {
            let hint = "name a file below the profile's folder, the unit's tree or Admin's, without `..`";
            self.mistake(at, format!("`{name}` is not a path in the file store"), hint);
            return None;
        }
        Some(AssetRef { path: name, beside: self.folder.cloned(), sha256, signed_by: None, urls: Vec::new() })
    }

    fn address_asset(&mut self, at: &[Part], texts: &[String], sha256: Option<Digest>) -> Option<AssetRef> {
        let mut urls = Vec::new();
        for (index, text) in texts.iter().enumerate() {
            let at = within(at, index);
            let text = self.expanded(&at, text)?;
            urls.push(self.file_address(&at, &text, sha256.is_some())?);
        }
        let Some(first) = urls.first() else {
            self.mistake(at, "`url` is an empty list", "name at least one address");
            return None;
        };
        let path = lock::bare(first).to_string();
        if urls.iter().any(|url| url.path().ends_with('/')) && (urls.len() > 1 || sha256.is_some()) {
            let (message, hint) = if urls.len() > 1 {
                ("a folder in a bucket cannot have mirrors", "name the folder alone")
            } else {
                ("several files cannot have one digest", "leave `sha256` out: `nodeagent lock` writes the digests")
            };
            self.mistake(at, message, hint);
            return None;
        }
        Some(AssetRef { path, beside: None, sha256, signed_by: None, urls })
    }

    /// An address of a file. Without a digest it must be https, except on the node itself.
    fn file_address(&mut self, at: &[Part], text: &str, has_digest: bool) -> Option<Url> {
        let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https" | "s3" | "gs" | "abfss"));
        let Some(url) = url else {
            self.mistake(at, format!("`{text}` is not an address of a file"), "begin it with `https://`");
            return None;
        };
        let has_name = url.path_segments().and_then(Iterator::last).is_some_and(|name| !name.is_empty());
        let is_folder = self.takes_folders && is_bucket(&url) && url.path().ends_with('/');
        match url.scheme() {
            _ if holds_credentials(&url) => {
                self.mistake(at, "the address holds a user name or password", NO_CREDENTIALS);
                None
            }
            "s3" | "gs" | "abfss" if url.host_str().is_none_or(str::is_empty) => {
                self.mistake(at, format!("`{text}` does not name a bucket"), "write `s3://BUCKET/PATH`, `gs://BUCKET/PATH` or `abfss://CONTAINER@ACCOUNT.dfs.core.windows.net/PATH`");
                None
            }
            "http" if !has_digest && !is_loopback(&url) => {
                let hint =
                    "use https, or write `{ url = \"…\", sha256 = \"…\" }`: anyone on the network can change the file";
                self.mistake(at, format!("`{text}` is not encrypted and has no digest"), hint);
                None
            }
            _ if !has_name && !is_folder => {
                self.mistake(at, format!("`{text}` does not name a file"), "end the address with the file's name");
                None
            }
            _ => Some(url),
        }
    }

    /// A digest. Of digests by processor, the node's own counts.
    fn digest_of(&mut self, at: &[Part], written: &Shorthand<Digests>) -> Option<Digest> {
        let arch = self.values.facts.arch.clone();
        let (text, at) = match written {
            Shorthand::Short(text) => (Some(text), at.to_vec()),
            Shorthand::Long(Digests { amd64, arm64 }) => {
                let own = if arch == "arm64" { arm64 } else { amd64 };
                // Each digest is checked on every processor.
                for (name, other) in [("amd64", amd64), ("arm64", arm64)] {
                    other.as_ref().and_then(|text| self.parsed_digest(&within(at, name), text));
                }
                let Some(own) = own else {
                    let hint = format!("add the digest for `{arch}`, or limit the entry with `when`");
                    if self.applies {
                        self.mistake(at, format!("there is no digest for the processor `{arch}`"), hint);
                    }
                    return None;
                };
                return own.parse().ok();
            }
        };
        self.parsed_digest(&at, text?)
    }

    fn parsed_digest(&mut self, at: &[Part], text: &str) -> Option<Digest> {
        match text.parse::<Digest>() {
            Ok(digest) => Some(digest),
            Err(error) => {
                self.mistake(at, error.to_string(), "`sha256sum FILE` prints it");
                None
            }
        }
    }
}
