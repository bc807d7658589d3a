//! Fetches the files on servers that a profile names, so that a lock can have their digests.

use super::{Job, cache};
use crate::{
    digest::Digest,
    fs,
    inventory::Inventory,
    plan::cached_asset,
    problem::Problem,
    profile::{Asset, AssetRef, Sections as _},
    steps::{Context, fetch_address},
};

/// Fetches every file on a server. Sets the digests of those whose digest the profile does not have. Returns whether
/// there were any.
///
/// # Errors
/// If a required file cannot be fetched.
pub(super) async fn pin(job: &Job, ctx: &Context, inventory: &mut Inventory) -> Result<bool, Vec<Problem>> {
    let mut has_pinned = false;
    for named in job.profile.sections.assets() {
        let Some(found) = inventory.asset(named.file) else { continue };
        let Asset::Address(urls) = &found.asset else { continue };
        let known = found.digest.clone();
        let fetched = match &known {
            Some(digest) => {
                let to = cached_asset(&cache(&job.root), digest, named.file);
                fetch_address(ctx, urls, &to, Some(digest)).await.map(|()| digest.clone())
            }
            None => fetch_unknown(ctx, urls, named.file).await,
        };
        let digest = fetched.map_err(|problem| vec![problem.asked_at(named.origin.clone())])?;
        if known.is_none() {
            inventory.pin(named.file, digest);
            has_pinned = true;
        }
    }
    Ok(has_pinned)
}

/// Fetches a file without a known digest, and moves it to its place in the cache. The store keeps it for other nodes.
async fn fetch_unknown(ctx: &Context, urls: &[url::Url], file: &AssetRef) -> Result<Digest, Problem> {
    let received = ctx.cache.join("assets/received").join(file.file_name());
    fs::remove(&received)?;
    fetch_address(ctx, urls, &received, None).await?;
    let digest = Digest::sha256_of_file(&received)
        .map_err(|error| Problem::new(format!("`{}` could not be read: {error}", received.display())))?;
    let to = cached_asset(&ctx.cache, &digest, file);
    if let Some(folder) = to.parent() {
        fs::create_dirs(folder, 0o755)?;
    }
    fs::rename(&received, &to)?;
    ctx.keep(urls, &digest, &to).await;
    Ok(digest)
}
