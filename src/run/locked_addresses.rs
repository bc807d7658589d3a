//! Fetches the files on servers that a profile names, so that a lock can have their digests.

use super::{Job, cache, not_received::NotReceived, receive::receive};
use crate::{
    inventory::Inventory,
    plan::cached_asset,
    problem::Problem,
    profile::{Asset, Sections as _},
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
        if named.file.is_bucket_folder() {
            let message = format!("the folder `{}` has no files that its entry can use", named.file.path);
            let hint = "certificates end in `.pem`, `.crt`, `.cer` or `.der`, and packages in `.deb`".to_owned();
            return Err(vec![Problem::new(message).hint(hint).asked_at(named.origin.clone())]);
        }
        let known = found.digest.clone();
        let fetched = match &known {
            Some(digest) => {
                let to = cached_asset(&cache(&job.root), digest, named.file);
                fetch_address(ctx, urls, &to, named.limit(), Some(digest)).await.map(|()| digest.clone())
            }
            None => receive(job, ctx, &named).await.map_err(NotReceived::into_problem),
        };
        let digest = fetched.map_err(|problem| vec![problem.asked_at(named.origin.clone())])?;
        if known.is_none() {
            inventory.pin(named.file, digest);
            has_pinned = true;
        }
    }
    Ok(has_pinned)
}
