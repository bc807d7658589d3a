//! Fetches a file on a server and verifies its signature. The next address is tried if an address does not serve the
//! file with a valid signature.

use std::path::Path;

use url::Url;

use super::{
    job::Job,
    not_received::{AddressFailure, NotReceived},
    signature_verifier::{SignatureVerifier, unread},
};
use crate::{
    digest::Digest,
    fs::{self, Attributes},
    http::HttpError,
    inventory::SignedFiles,
    problem::Problem,
    profile::{AssetRef, Assets, NamedAsset, SignedBy},
    steps::{Context, fetch_one},
    trust::{Hashes, Prehash, beside},
};

const CHANGED_HINT: &str =
    "find out why the file or its signature changed; if the signer has a new key, put it into `signed-by`";

/// A signed file, with the parts of its signature that do not depend on the address.
struct SignedFile<'a> {
    ctx: &'a Context,
    file: &'a AssetRef,
    signed: &'a SignedBy,
    verifier: SignatureVerifier,
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
    let assets = Assets { store: &job.filestore, unit: job.profile.business_unit.as_deref(), folders: None };
    let verifier = SignatureVerifier::of(ctx, &assets, named, signed).await?;
    let stored = stored_signature(&assets, named, signed)?;
    let wanted = SignedFile { ctx, file: named.file, signed, verifier, stored };
    let digest = wanted.receive(received).await?;
    let record = SignedFiles { cache: &ctx.cache }.record(named.file, &wanted.verifier.identity());
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
        Err(AddressFailure::of_all(failures, signature, fetch).into_error())
    }

    async fn receive_from(&self, url: &Url, received: &Path) -> Result<Digest, AddressFailure> {
        fetch_one(self.ctx, url, received, None, None).await.map_err(not_fetched)?;
        let hashes = std::fs::File::open(received)
            .and_then(Hashes::of)
            .map_err(|error| AddressFailure::fetch(unread(received, &error)))?;
        match &self.stored {
            Some(signature) => self.check(received, &hashes.prehash, signature).await?,
            None => self.check_by_served(received, &hashes.prehash, url).await?,
        }
        Ok(hashes.sha256)
    }

    /// Checks the hash of a file of an address with the first valid signature that a server has.
    async fn check_by_served(&self, received: &Path, hash: &Prehash, url: &Url) -> Result<(), AddressFailure> {
        let mut failures = Vec::new();
        for url in self.signed.signature_urls_of(url) {
            let checked = match self.fetch_signature(&url, &beside(received)).await {
                Ok(signature) => self.check(received, hash, &signature).await,
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
        let most = self.verifier.most_signature();
        fetch_one(self.ctx, url, to, Some(most), None).await.map_err(|error| self.no_signature(&error))?;
        let bytes = fs::read_bounded(to, most).map_err(|error| AddressFailure::fetch(unread(to, &error)));
        fs::remove(to).map_err(|error| AddressFailure::fetch(error.into()))?;
        bytes
    }

    /// Checks a file and its hash with a signature.
    async fn check(&self, received: &Path, hash: &Prehash, signature: &[u8]) -> Result<(), AddressFailure> {
        self.check_digest(signature)?;
        let name = Path::new(self.file.file_name());
        self.verifier.verify(self.ctx, name, (received, hash), signature).await.map_err(|why| {
            let hint = why.hint.clone().unwrap_or_else(|| CHANGED_HINT.to_owned());
            let mut problem = Problem::new(self.not_signed()).cause(why.message.clone()).hint(hint);
            problem.causes.extend(why.causes);
            AddressFailure::new(why.message, NotReceived::Signature(problem))
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
