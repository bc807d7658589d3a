//! Fetches a file on a server whose digest is not known yet, and verifies its signature if the profile names a key.

use std::path::Path;

use super::{job::Job, not_received::NotReceived, signature_verifier::unread, signed_file::receive_signed};
use crate::{
    digest::Digest,
    fs,
    plan::cached_asset,
    problem::Problem,
    profile::NamedAsset,
    steps::{Context, fetch_address},
};

/// Fetches a file and moves it to its place in the cache. The store keeps it for other nodes.
pub(super) async fn receive(job: &Job, ctx: &Context, named: &NamedAsset<'_>) -> Result<Digest, NotReceived> {
    receive_to_cache(job, ctx, named).await.map_err(|error| error.map(|problem| problem.asked_at(named.origin.clone())))
}

async fn receive_to_cache(job: &Job, ctx: &Context, named: &NamedAsset<'_>) -> Result<Digest, NotReceived> {
    let file = named.file;
    // Files of different addresses may have the same name.
    let folder = ctx.cache.join("assets/received").join(Digest::sha256(file.path.as_bytes()).hex());
    let received = folder.join(file.file_name());
    fs::remove(&received).map_err(|error| NotReceived::Fetch(error.into()))?;
    let digest = match &file.signed_by {
        None => receive_unsigned(ctx, named, &received).await.map_err(NotReceived::Fetch)?,
        Some(signed) => receive_signed(job, ctx, named, signed, &received).await?,
    };
    let to = cached_asset(&ctx.cache, &digest, file);
    let moved = || {
        if let Some(folder) = to.parent() {
            fs::create_dirs(folder, 0o755)?;
        }
        fs::rename(&received, &to)
    };
    moved().map_err(|error| NotReceived::Fetch(error.into()))?;
    ctx.keep(&file.urls, &digest, &to).await;
    Ok(digest)
}

async fn receive_unsigned(ctx: &Context, named: &NamedAsset<'_>, received: &Path) -> Result<Digest, Problem> {
    fetch_address(ctx, &named.file.urls, received, named.limit(), None).await?;
    Digest::sha256_of_file(received).map_err(|error| unread(received, &error))
}
