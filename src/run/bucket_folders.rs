//! Lists the folders in buckets that a profile names, for a lock.

use std::{collections::BTreeSet, sync::Arc};

use url::Url;

use super::{Job, Stop, fetch_secrets};
use crate::{
    cloud::open_bucket,
    http::{BucketError, ListedObject},
    lock::{BucketFolders, MAX_FOLDER_BYTES, MAX_FOLDER_FILES, is_object_name},
    problem::Problem,
    profile::Sections as _,
    report::event::Outcome,
};

/// The largest number of listed objects. Some of them may stand for folders.
const MAX_LISTED: usize = 2 * MAX_FOLDER_FILES;

/// Lists the folders, after access to all entries of the profile was decided.
///
/// # Errors
/// If a folder cannot be listed, has no files, has too many, or has a file with a name that cannot be used.
pub async fn list_bucket_folders(job: &Arc<Job>, stop: &Stop) -> Result<BucketFolders, Vec<Problem>> {
    tokio::select! {
        listed = list_all(job) => listed,
        outcome = stop.requested() => {
            let why = if outcome == Outcome::DeadlinePassed { "the deadline passed" } else { "it was interrupted" };
            Err(vec![Problem::new(format!("the lock was not made: {why}"))])
        }
    }
}

async fn list_all(job: &Arc<Job>) -> Result<BucketFolders, Vec<Problem>> {
    let (mut granted, vault) = fetch_secrets(job).await?;
    granted.write_down(&vault, job.audit.as_ref());
    let mut folders = BucketFolders::new();
    for named in job.profile.sections.assets() {
        let (path, Some(url)) = (&named.file.path, named.file.urls.first()) else { continue };
        if !named.file.is_bucket_folder() || folders.contains_key(path) {
            continue;
        }
        let listed = list(job, url).await.map_err(|error| {
            let hint = "check the address, and whether the cloud identity of this node may list the bucket".to_owned();
            Problem::new(format!("the folder `{path}` could not be listed")).because(&error).hint(hint)
        });
        let names = listed.and_then(|listed| names(path, listed));
        folders.insert(path.clone(), names.map_err(|problem| vec![problem.asked_at(named.origin.clone())])?);
    }
    Ok(folders)
}

async fn list(job: &Job, url: &Url) -> Result<Vec<ListedObject>, BucketError> {
    let bucket = open_bucket(&job.clouds, url).await?;
    bucket.list_some("", MAX_LISTED).await
}

/// The names of the files in a listing. Signatures beside their files are left out, as in a folder of the file store.
fn names(path: &str, mut listed: Vec<ListedObject>) -> Result<Vec<String>, Problem> {
    let is_cut = listed.len() > MAX_LISTED;
    // Consoles create an empty object for a folder. Its name ends with `/`, which the listing omits.
    let folders: BTreeSet<String> = listed.iter().flat_map(|object| folders_above(&object.name)).collect();
    let is_folder = |object: &ListedObject| object.size == 0 && folders.contains(&object.name);
    listed.retain(|object| !object.name.is_empty() && !is_folder(object));
    if is_cut || listed.len() > MAX_FOLDER_FILES {
        let hint = "name a folder with fewer files, or an archive of the files".to_owned();
        let message = format!("the folder `{path}` has more than {MAX_FOLDER_FILES} files");
        return Err(Problem::new(message).hint(hint));
    }
    if let Some(object) = listed.iter().find(|object| !is_object_name(&object.name)) {
        let hint = "rename the object: a name has no empty parts, no `..`, no control characters and no backslash";
        let message = format!("the folder `{path}` has an object with a name that cannot be used: {:?}", object.name);
        return Err(Problem::new(message).hint(hint.to_owned()));
    }
    let size = listed.iter().try_fold(0_u64, |sum, object| sum.checked_add(object.size));
    if size.is_none_or(|size| size > MAX_FOLDER_BYTES) {
        let message = format!("the files of the folder `{path}` have more than {} GiB", MAX_FOLDER_BYTES >> 30);
        return Err(Problem::new(message).hint("name a folder with fewer files".to_owned()));
    }
    let all: BTreeSet<String> = listed.into_iter().map(|object| object.name).collect();
    let is_signature = |name: &str| name.strip_suffix(".minisig").is_some_and(|signed| all.contains(signed));
    let names: Vec<String> = all.iter().filter(|name| !is_signature(name)).cloned().collect();
    if names.is_empty() {
        let hint = "check the address: it is that of a folder, and a bucket has no empty folders".to_owned();
        return Err(Problem::new(format!("the folder `{path}` has no files")).hint(hint));
    }
    Ok(names)
}

fn folders_above(name: &str) -> impl Iterator<Item = String> {
    name.match_indices('/').map(|(end, _)| name[..end].to_owned())
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;

    fn of(objects: &[(&str, u64)]) -> Result<Vec<String>, String> {
        let listed = objects.iter().map(|&(name, size)| ListedObject {
            name: name.to_owned(),
            size,
            modified: SystemTime::UNIX_EPOCH,
        });
        names("s3://x/a/", listed.collect()).map_err(|problem| problem.message)
    }

    #[test]
    fn a_listing_has_the_files_without_folders_and_signatures() {
        let listed = [("", 0), ("b", 0), ("b/c.pem", 3), ("a.pem", 1), ("a.pem.minisig", 1), ("empty", 0)];
        assert_eq!(of(&listed), Ok(["a.pem", "b/c.pem", "empty"].map(str::to_owned).to_vec()));
    }

    #[test]
    fn names_of_a_listing_are_not_trusted_and_its_size_is_limited() {
        let refused = |objects: &[(&str, u64)]| of(objects).expect_err("refused");
        for name in ["../x", "a/../../x", "a//b", "/etc/x", "a\nb"] {
            let message = refused(&[("good", 1), (name, 1)]);
            assert_eq!(
                message,
                format!("the folder `s3://x/a/` has an object with a name that cannot be used: {name:?}")
            );
        }
        let names: Vec<String> = (0..=MAX_FOLDER_FILES).map(|number| number.to_string()).collect();
        let many: Vec<(&str, u64)> = names.iter().map(|name| (name.as_str(), 1)).collect();
        assert_eq!(refused(&many), "the folder `s3://x/a/` has more than 1000 files");
        assert!(of(&many[1..]).is_ok());
        assert_eq!(
            refused(&[("a", MAX_FOLDER_BYTES), ("b", 1)]),
            "the files of the folder `s3://x/a/` have more than 4 GiB"
        );
        assert_eq!(refused(&[("a", u64::MAX), ("b", 1)]), "the files of the folder `s3://x/a/` have more than 4 GiB");
        assert_eq!(refused(&[("", 0)]), "the folder `s3://x/a/` has no files");
    }
}
