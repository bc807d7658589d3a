//! Fetches a file on a server whose digest is not known yet, and verifies its signature if the profile names a key.

use std::path::Path;

use super::job::Job;
use crate::{
    digest::Digest,
    fs::{self, Attributes},
    inventory::SignedFiles,
    plan::cached_asset,
    problem::Problem,
    profile::{Assets, MissingAsset, NamedAsset, SignedBy, SigningKey},
    steps::{Context, fetch_address},
    trust::{Hashes, MOST_KEY, MOST_SIGNATURE, PublicKey, TrustedKeys, beside},
};

/// Why a file was not received.
pub(super) enum NotReceived {
    /// It could not be fetched.
    Fetch(Problem),
    /// Its signature is missing or not valid.
    Signature(Problem),
}

impl NotReceived {
    /// The problem.
    pub(super) fn problem(self) -> Problem {
        match self {
            Self::Fetch(problem) | Self::Signature(problem) => problem,
        }
    }
}

/// Fetches a file and moves it to its place in the cache. The store keeps it for other nodes.
pub(super) async fn receive(job: &Job, ctx: &Context, named: &NamedAsset<'_>) -> Result<Digest, NotReceived> {
    let file = named.file;
    // Files of different addresses may have the same name.
    let folder = ctx.cache.join("assets/received").join(Digest::sha256(file.path.as_bytes()).hex());
    let received = folder.join(file.file_name());
    let failed = |problem: Problem| NotReceived::Fetch(problem.asked_at(named.origin.clone()));
    fs::remove(&received).map_err(|error| failed(error.into()))?;
    fetch_address(ctx, &file.urls, &received, named.limit(), None).await.map_err(failed)?;
    let digest = match &file.signed_by {
        None => Digest::sha256_of_file(&received).map_err(|error| failed(unread(&received, &error)))?,
        Some(signed) => {
            let verified = verified(job, ctx, named, signed, &received).await;
            if verified.is_err() {
                let _ = fs::remove(&received);
            }
            verified.map_err(|problem| NotReceived::Signature(problem.asked_at(named.origin.clone())))?
        }
    };
    let to = cached_asset(&ctx.cache, &digest, file);
    let moved = || {
        if let Some(folder) = to.parent() {
            fs::create_dirs(folder, 0o755)?;
        }
        fs::rename(&received, &to)
    };
    moved().map_err(|error| failed(error.into()))?;
    ctx.keep(&file.urls, &digest, &to).await;
    Ok(digest)
}

/// Verifies the signature of a received file, and records its digest.
async fn verified(
    job: &Job,
    ctx: &Context,
    named: &NamedAsset<'_>,
    signed: &SignedBy,
    received: &Path,
) -> Result<Digest, Problem> {
    let assets = Assets { store: &job.filestore, unit: job.profile.business_unit.as_deref() };
    let key = key(ctx, &assets, named, signed).await?;
    let signature = signature(ctx, &assets, named, signed, received).await?;
    let hashes = std::fs::File::open(received).and_then(Hashes::of).map_err(|error| unread(received, &error))?;
    let keys = TrustedKeys::new(vec![key.clone()]);
    let name = Path::new(named.file.file_name());
    keys.check_hashed(name, &hashes.prehash, Some(&signature)).map_err(|why| {
        let message = format!("`{}` is not signed by `{}`", named.file.path, signed.key.label());
        let hint =
            "find out why the file or its signature changed; if the signer has a new key, put it into `signed-by`";
        Problem::new(message).because(&why).hint(hint.to_owned())
    })?;
    let record = SignedFiles { cache: &ctx.cache }.record(named.file, &key);
    fs::replace(&record, hashes.sha256.hex().as_bytes(), Attributes::mode(0o644))?;
    Ok(hashes.sha256)
}

async fn key(
    ctx: &Context,
    assets: &Assets<'_>,
    named: &NamedAsset<'_>,
    signed: &SignedBy,
) -> Result<PublicKey, Problem> {
    if let Some(key) = signed.key.read(assets, named.origin).map_err(missing)? {
        return Ok(key);
    }
    // The rules ensure that only a file on a server is left, and that it has a digest.
    let on_server = match &signed.key {
        SigningKey::File(file) => file.sha256.as_ref().map(|digest| (file, digest)),
        SigningKey::Text(_) => None,
    };
    let (file, digest) = on_server.ok_or_else(|| Problem::new("the key has no digest"))?;
    let to = cached_asset(&ctx.cache, digest, file);
    fetch_address(ctx, &file.urls, &to, Some(MOST_KEY), Some(digest)).await?;
    let text = std::fs::read_to_string(&to).map_err(|error| unread(&to, &error))?;
    let unusable = |error: crate::trust::BadKey| {
        Problem::new(format!("the key `{}` cannot be used: {error}", file.path)).hint(error.hint())
    };
    PublicKey::parse(&text).map_err(unusable)
}

/// The signature. It has the digest that the profile says, if it says one.
async fn signature(
    ctx: &Context,
    assets: &Assets<'_>,
    named: &NamedAsset<'_>,
    signed: &SignedBy,
    received: &Path,
) -> Result<Vec<u8>, Problem> {
    let bytes = signature_bytes(ctx, assets, named, signed, received).await?;
    let Some(file) = &signed.signature else { return Ok(bytes) };
    let found = Digest::sha256(&bytes);
    match file.sha256.as_ref().filter(|expected| **expected != found) {
        None => Ok(bytes),
        Some(expected) => {
            let message = format!("`{}` does not have the digest that the profile says", file.path);
            let hint = "find out why the signature changed before you put its new digest into the profile";
            let problem = Problem::new(message).hint(hint.to_owned());
            Err(problem.cause(format!("it has {found}")).cause(format!("the profile has {expected}")))
        }
    }
}

/// The signature, from the file store or from the first address that serves it.
async fn signature_bytes(
    ctx: &Context,
    assets: &Assets<'_>,
    named: &NamedAsset<'_>,
    signed: &SignedBy,
    received: &Path,
) -> Result<Vec<u8>, Problem> {
    if let Some(file) = signed.signature.as_ref().filter(|file| file.urls.is_empty()) {
        let found = assets.find(file, named.origin).map_err(missing)?;
        return Ok(assets.read_unchecked(file, &found, named.origin).map_err(missing)?.into_owned());
    }
    let to = beside(received);
    let urls = signed.signature_urls(named.file);
    fetch_address(ctx, &urls, &to, Some(MOST_SIGNATURE), None).await.map_err(|problem| {
        let hint = "name its file with `signature` in `signed-by`, or use the `sha256` of the file".to_owned();
        Problem { message: format!("the signature of `{}` could not be fetched", named.file.path), ..problem }
            .hint(hint)
    })?;
    let bytes = fs::read_bounded(&to, MOST_SIGNATURE).map_err(|error| unread(&to, &error));
    fs::remove(&to)?;
    bytes
}

fn missing(asset: MissingAsset) -> Problem {
    Problem::new(asset.message).hint(asset.hint)
}

fn unread(path: &Path, error: &std::io::Error) -> Problem {
    Problem::new(format!("`{}` could not be read: {error}", path.display()))
}
