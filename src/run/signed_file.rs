//! Fetches a file on a server and verifies its signature. The next address is tried if an address does not serve the
//! file with a valid signature.

use std::path::Path;

use url::Url;

use super::{
    job::Job,
    not_received::{AddressFailure, NotReceived},
};
use crate::{
    digest::Digest,
    fs::{self, Attributes},
    http::HttpError,
    inventory::SignedFiles,
    plan::cached_asset,
    problem::Problem,
    profile::{AssetRef, Assets, NamedAsset, SignedBy, SigningKey},
    steps::{Context, fetch_address, fetch_one},
    trust::{BadKey, Hashes, MOST_KEY, MOST_SIGNATURE, Prehash, PublicKey, TrustedKeys, beside},
};

/// A signed file, with the parts of its signature that do not depend on the address.
struct SignedFile<'a> {
    ctx: &'a Context,
    file: &'a AssetRef,
    signed: &'a SignedBy,
    /// The key as trusted keys.
    keys: TrustedKeys,
    /// The signature, if it is in the file store.
    stored: Option<Vec<u8>>,
}

/// Fetches a file to `received`, verifies its signature, and records its digest.
pub(super) async fn receive_signed(
    job: &Job,
    ctx: &Context,
    named: &NamedAsset<'_>,
    signed: &SignedBy,
    received: &Path,
) -> Result<Digest, NotReceived> {
    let assets = Assets { store: &job.filestore, unit: job.profile.business_unit.as_deref() };
    let key = key(ctx, &assets, named, signed).await?;
    let stored = stored_signature(&assets, named, signed)?;
    let keys = TrustedKeys::new(vec![key.clone()]);
    let wanted = SignedFile { ctx, file: named.file, signed, keys, stored };
    let digest = wanted.receive(received).await?;
    let record = SignedFiles { cache: &ctx.cache }.record(named.file, &key);
    fs::replace(&record, digest.hex().as_bytes(), Attributes::mode(0o644))
        .map_err(|error| NotReceived::Fetch(error.into()))?;
    Ok(digest)
}

impl SignedFile<'_> {
    /// Fetches the file from the first address that serves it with a valid signature.
    async fn receive(&self, received: &Path) -> Result<Digest, NotReceived> {
        let mut failures = Vec::new();
        for url in &self.file.urls {
            match self.receive_from(url, received).await {
                Ok(digest) => return Ok(digest),
                Err(failure) => failures.push((url.clone(), failure)),
            }
        }
        let _ = fs::remove(received);
        let signature = format!("{} at any of its addresses", self.not_signed());
        let fetch = format!("`{}` could not be fetched from any of its addresses", self.file.path);
        Err(AddressFailure::of_all(failures, signature, fetch).error())
    }

    async fn receive_from(&self, url: &Url, received: &Path) -> Result<Digest, AddressFailure> {
        fetch_one(self.ctx, url, received, None, None).await.map_err(not_fetched)?;
        let hashes = std::fs::File::open(received)
            .and_then(Hashes::of)
            .map_err(|error| AddressFailure::fetch(unread(received, &error)))?;
        match &self.stored {
            Some(signature) => self.check(&hashes.prehash, signature)?,
            None => self.check_by_served(&hashes.prehash, url, received).await?,
        }
        Ok(hashes.sha256)
    }

    /// Checks the hash of a file of an address with the first valid signature that a server has.
    async fn check_by_served(&self, hash: &Prehash, url: &Url, received: &Path) -> Result<(), AddressFailure> {
        let mut failures = Vec::new();
        for url in self.signed.signature_urls_of(url) {
            let checked = match self.fetch_signature(&url, &beside(received)).await {
                Ok(signature) => self.check(hash, &signature),
                Err(failure) => Err(failure),
            };
            match checked {
                Ok(()) => return Ok(()),
                Err(failure) => failures.push((url, failure)),
            }
        }
        let fetch = format!("no signature of `{}` could be fetched", self.file.path);
        Err(AddressFailure::of_all(failures, self.not_signed(), fetch))
    }

    async fn fetch_signature(&self, url: &Url, to: &Path) -> Result<Vec<u8>, AddressFailure> {
        fetch_one(self.ctx, url, to, Some(MOST_SIGNATURE), None).await.map_err(|error| self.no_signature(&error))?;
        let bytes = fs::read_bounded(to, MOST_SIGNATURE).map_err(|error| AddressFailure::fetch(unread(to, &error)));
        fs::remove(to).map_err(|error| AddressFailure::fetch(error.into()))?;
        bytes
    }

    /// Checks the hash of a file with a signature.
    fn check(&self, hash: &Prehash, signature: &[u8]) -> Result<(), AddressFailure> {
        self.check_digest(signature)?;
        let name = Path::new(self.file.file_name());
        let checked = self.keys.check_hashed(name, hash, Some(signature));
        checked.map(drop).map_err(|why| {
            let hint =
                "find out why the file or its signature changed; if the signer has a new key, put it into `signed-by`";
            let problem = Problem::new(self.not_signed()).because(&why).hint(hint.to_owned());
            AddressFailure::new(why.to_string(), NotReceived::Signature(problem))
        })
    }

    /// Checks the digest of a signature, if the profile has one.
    fn check_digest(&self, signature: &[u8]) -> Result<(), AddressFailure> {
        let Some(file) = &self.signed.signature else { return Ok(()) };
        let found = Digest::sha256(signature);
        let Some(expected) = file.sha256.as_ref().filter(|expected| **expected != found) else { return Ok(()) };
        let reason = format!("`{}` does not have the digest that the profile says", file.path);
        let hint = "find out why the signature changed before you put its new digest into the profile";
        let problem = Problem::new(reason.clone()).hint(hint.to_owned());
        let problem = problem.cause(format!("it has {found}")).cause(format!("the profile has {expected}"));
        Err(AddressFailure::new(reason, NotReceived::Signature(problem)))
    }

    fn not_signed(&self) -> String {
        format!("`{}` is not signed by `{}`", self.file.path, self.signed.key.label())
    }

    /// The failure of a signature that was not fetched. Without a signature, the file is not signed.
    fn no_signature(&self, error: &HttpError) -> AddressFailure {
        let hint = "name its file with `signature` in `signed-by`, or use the `sha256` of the file".to_owned();
        let message = format!("the signature of `{}` could not be fetched", self.file.path);
        let problem = Problem::new(message).because(error).hint(hint);
        let reason = format!("its signature could not be fetched: {}", error.problem);
        let error = if error.is_absent() { NotReceived::Signature(problem) } else { NotReceived::Fetch(problem) };
        AddressFailure::new(reason, error)
    }
}

/// The key, from the profile, from the file store or from a server.
async fn key(
    ctx: &Context,
    assets: &Assets<'_>,
    named: &NamedAsset<'_>,
    signed: &SignedBy,
) -> Result<PublicKey, NotReceived> {
    if let Some(key) = signed.key.read(assets, named.origin)? {
        return Ok(key);
    }
    key_on_server(ctx, signed).await.map_err(NotReceived::Fetch)
}

async fn key_on_server(ctx: &Context, signed: &SignedBy) -> Result<PublicKey, Problem> {
    // The rules ensure that only a file on a server is left, and that it has a digest.
    let on_server = match &signed.key {
        SigningKey::File(file) => file.sha256.as_ref().map(|digest| (file, digest)),
        SigningKey::Text(_) => None,
    };
    let (file, digest) = on_server.ok_or_else(|| Problem::new("the key has no digest"))?;
    let to = cached_asset(&ctx.cache, digest, file);
    fetch_address(ctx, &file.urls, &to, Some(MOST_KEY), Some(digest)).await?;
    let text = std::fs::read_to_string(&to).map_err(|error| unread(&to, &error))?;
    PublicKey::parse(&text).map_err(|error: BadKey| {
        Problem::new(format!("the key `{}` cannot be used: {error}", file.path)).hint(error.hint())
    })
}

/// The signature, if it is in the file store.
fn stored_signature(
    assets: &Assets<'_>,
    named: &NamedAsset<'_>,
    signed: &SignedBy,
) -> Result<Option<Vec<u8>>, NotReceived> {
    let Some(file) = signed.signature.as_ref().filter(|file| file.urls.is_empty()) else { return Ok(None) };
    let found = assets.find(file, named.origin)?;
    Ok(Some(assets.read_unchecked(file, &found, named.origin)?.into_owned()))
}

/// The failure of a file that was not fetched.
fn not_fetched(error: HttpError) -> AddressFailure {
    AddressFailure::new(error.problem.to_string(), NotReceived::Fetch(error.into()))
}

fn unread(path: &Path, error: &std::io::Error) -> Problem {
    Problem::new(format!("`{}` could not be read: {error}", path.display()))
}
