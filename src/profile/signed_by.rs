//! `signed-by` of an asset: the rules, and the key that verifies the file.

use std::{collections::BTreeSet, path::PathBuf};

use url::Url;

use super::{
    AssetRef, Assets, MissingAsset, Rules, SignedBy, SigningKey, asset_rules::AssetKeys, rules::within,
    shorthand::Shorthand, written,
};
use crate::{
    diagnostic::Origin,
    grammar::document::Part,
    trust::{PublicKey, SIGNATURE},
};

impl AssetRef {
    /// Its addresses, and those of its signature and of the key.
    pub fn all_urls(&self) -> Vec<Url> {
        let signed = self.signed_by.as_ref();
        let signatures = signed.iter().flat_map(|signed| signed.signature_urls(self));
        let key = signed.and_then(|signed| match &signed.key {
            SigningKey::Text(_) => None,
            SigningKey::File(file) | SigningKey::OpenPgp { file, .. } => Some(&file.urls),
        });
        self.urls.iter().cloned().chain(signatures).chain(key.into_iter().flatten().cloned()).collect()
    }
}

impl SignedBy {
    /// The addresses of all signatures of a file, in order. Empty for a signature in the file store. By default the
    /// signature is beside each address of the file.
    pub fn signature_urls(&self, file: &AssetRef) -> Vec<Url> {
        match &self.signature {
            Some(signature) => signature.urls.clone(),
            None => file.urls.iter().map(|url| self.beside(url)).collect(),
        }
    }

    /// The addresses of the signature of the file at one of its addresses, in order.
    pub fn signature_urls_of(&self, url: &Url) -> Vec<Url> {
        match &self.signature {
            Some(signature) => signature.urls.clone(),
            None => vec![self.beside(url)],
        }
    }

    /// The address of the signature beside a file.
    fn beside(&self, url: &Url) -> Url {
        let ending = match &self.key {
            SigningKey::Text(_) | SigningKey::File(_) => SIGNATURE,
            SigningKey::OpenPgp { .. } => "asc",
        };
        let mut beside = url.clone();
        beside.set_path(&format!("{}.{ending}", url.path()));
        beside
    }
}

impl SigningKey {
    /// The key, for messages.
    pub fn label(&self) -> &str {
        match self {
            Self::Text(text) => text,
            Self::File(file) | Self::OpenPgp { file, .. } => &file.path,
        }
    }

    /// The identity of the key, for the records of verified files. `None` if it is a minisign key on a server.
    ///
    /// # Errors
    /// See [`Self::minisign`].
    pub fn identity(&self, assets: &Assets<'_>, origin: &Origin) -> Result<Option<String>, MissingAsset> {
        match self {
            Self::Text(_) | Self::File(_) => Ok(self.minisign(assets, origin)?.map(|key| key.to_string())),
            Self::OpenPgp { fingerprints, .. } => Ok(Some(openpgp_identity(fingerprints))),
        }
    }

    /// The minisign key. `None` if it is a file on a server, or not of minisign.
    ///
    /// # Errors
    /// If the file is missing, is no key, or is not trusted.
    pub fn minisign(&self, assets: &Assets<'_>, origin: &Origin) -> Result<Option<PublicKey>, MissingAsset> {
        let text = match self {
            Self::Text(text) => text.clone(),
            Self::OpenPgp { .. } => return Ok(None),
            Self::File(file) if !file.urls.is_empty() => return Ok(None),
            Self::File(file) => {
                let found = assets.verified(file, origin)?;
                String::from_utf8_lossy(&assets.read(file, &found, origin)?).into_owned()
            }
        };
        PublicKey::parse(&text).map(Some).map_err(|error| MissingAsset {
            message: format!("the key `{}` cannot be used: {error}", self.label()),
            hint: error.hint(),
            origin: origin.clone(),
            path: PathBuf::from(self.label()),
            untrusted: true,
        })
    }
}

/// The identity of OpenPGP keys, for the records of verified files.
pub fn openpgp_identity(fingerprints: &BTreeSet<String>) -> String {
    fingerprints.iter().cloned().collect::<Vec<_>>().join(" ")
}

impl written::SignedFile {
    fn keys(&self) -> AssetKeys<'_> {
        AssetKeys { path: self.path.as_deref(), url: self.url.as_ref(), sha256: self.sha256.as_ref(), signed_by: None }
    }
}

impl Rules<'_> {
    /// The signature of an asset. `at` is the position of the asset.
    pub(super) fn signed_by(&mut self, at: &[Part], keys: AssetKeys<'_>) -> Option<SignedBy> {
        let raw = keys.signed_by?;
        let here = within(at, "signed-by");
        let message = match keys {
            AssetKeys { url: None, .. } => Some((
                "`signed-by` is only for a file on a server",
                "remove it: with trusted keys, a file of the file store has its signature beside it",
            )),
            AssetKeys { sha256: Some(_), .. } => Some((
                "the asset has both `sha256` and `signed-by`",
                "remove one of the keys: a digest needs no signature",
            )),
            _ => None,
        };
        if let Some((message, hint)) = message {
            self.mistake(&here, message, hint);
            return None;
        }
        let Some(key) = &raw.key else {
            let hint = "add the text of a minisign key, which begins with `RW`, or a file with the key";
            self.mistake(&here, "`signed-by` has no `key`", hint);
            return None;
        };
        let key = match &raw.fingerprint {
            Some(fingerprint) => {
                let fingerprints = self.fingerprints(&within(&here, "fingerprint"), &fingerprint.0);
                let file = Box::new(self.signed_file(&within(&here, "key"), key)?);
                SigningKey::OpenPgp { file, fingerprints }
            }
            None => self.signing_key(&within(&here, "key"), key)?,
        };
        let signature = match &raw.signature {
            Some(signature) => Some(Box::new(self.signed_file(&within(&here, "signature"), signature)?)),
            None => None,
        };
        Some(SignedBy { key, signature })
    }

    fn signing_key(&mut self, at: &[Part], written: &Shorthand<written::SignedFile>) -> Option<SigningKey> {
        if let Shorthand::Short(text) = written {
            let text = self.expanded(at, text)?;
            let is_text = text.starts_with("RW") && !text.contains('.') || text.contains('\n');
            match PublicKey::parse(&text) {
                Ok(key) => return Some(SigningKey::Text(key.to_string())),
                Err(error) if is_text => {
                    self.mistake(at, format!("the key cannot be used: {error}"), error.hint());
                    return None;
                }
                Err(_) => {}
            }
        }
        let file = self.signed_file(at, written)?;
        if !file.urls.is_empty() && file.sha256.is_none() {
            let hint = "write the text of the key, which begins with `RW`, or add the `sha256` of its file; an OpenPGP key \
                        needs `fingerprint` instead";
            self.mistake(at, "a key on a server needs `sha256`", hint);
            return None;
        }
        Some(SigningKey::File(Box::new(file)))
    }

    fn signed_file(&mut self, at: &[Part], written: &Shorthand<written::SignedFile>) -> Option<AssetRef> {
        match written {
            Shorthand::Short(text) => {
                let text = self.expanded(at, text)?;
                self.asset_of_text(at, text)
            }
            Shorthand::Long(table) => self.asset_of_keys(at, table.keys()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_is_beside_each_address_by_default() {
        let url = |text: &str| Url::parse(text).expect("an address");
        let urls = vec![url("https://a.example/x.tar.gz?token=1"), url("https://b.example/y.tar.gz")];
        let file = AssetRef { path: "x".into(), beside: None, sha256: None, signed_by: None, urls };
        let signed = SignedBy { key: SigningKey::Text("RW".into()), signature: None };
        let found: Vec<String> = signed.signature_urls(&file).iter().map(ToString::to_string).collect();
        assert_eq!(found, ["https://a.example/x.tar.gz.minisig?token=1", "https://b.example/y.tar.gz.minisig"]);
    }
}
