//! A shared store in a bucket. Small objects are written with one PUT, large ones in parts that appear together.

use std::sync::Arc;

use tokio::sync::OnceCell;
use url::Url;

use super::{
    backend_error::BackendError,
    entry,
    receiver::Receiver,
    stall::TransferProgress,
    stored_file::{SmallFile, StoredFile, Version, WriteCondition},
};
use crate::{
    cloud::{self, Clouds},
    digest::Digest,
    fs::OpenFile,
    http::{Bucket, BucketError, PutCondition},
};

/// A bucket, opened at its first use.
pub(super) struct BucketBackend {
    url: Url,
    clouds: Option<Arc<Clouds>>,
    opened: OnceCell<Bucket>,
}

impl BucketBackend {
    pub(super) fn new(url: Url, clouds: Arc<Clouds>) -> Self {
        Self { url, clouds: Some(clouds), opened: OnceCell::new() }
    }

    #[cfg(test)]
    pub(super) fn of(objects: Bucket) -> Self {
        let url = Url::parse("s3://test/below").expect("an address");
        Self { url, clouds: None, opened: OnceCell::new_with(Some(objects)) }
    }

    pub(super) async fn objects(&self) -> Result<&Bucket, BackendError> {
        self.opened.get_or_try_init(|| self.open()).await
    }

    async fn open(&self) -> Result<Bucket, BackendError> {
        let clouds = self.clouds.as_ref().expect("a bucket that is not open yet has clouds to ask");
        Ok(cloud::open_bucket(clouds, &self.url).await?)
    }

    pub(super) async fn size(&self, name: &str) -> Result<Option<u64>, BackendError> {
        Ok(self.objects().await?.size(name).await?)
    }

    pub(super) async fn read(
        &self,
        name: &str,
        to: Receiver,
        progress: &TransferProgress,
    ) -> Result<Option<Receiver>, BackendError> {
        let objects = self.objects().await?;
        let (mut to, mut is_announced) = (to, false);
        let taken = objects
            .read(name, |size, bytes| {
                if !is_announced {
                    is_announced = true;
                    to.announce(size)?;
                }
                progress.moved(bytes.len());
                to.take(bytes)
            })
            .await?;
        Ok(taken.then_some(to))
    }

    pub(super) async fn content(&self, name: &str) -> Result<Option<SmallFile>, BackendError> {
        let found = self.objects().await?.small(name, entry::MAX_BYTES).await?;
        Ok(found.map(|small| {
            let version = small.tag.map_or_else(|| Version::Bytes(small.bytes.clone()), Version::Tag);
            SmallFile { bytes: small.bytes, version, modified: small.modified }
        }))
    }

    pub(super) async fn publish(
        &self,
        name: &str,
        from: OpenFile,
        digest: &Digest,
        progress: &TransferProgress,
    ) -> Result<(), BackendError> {
        let mut hasher = Some(digest.hasher());
        let check = |piece: Option<&[u8]>| {
            if let (Some(bytes), Some(hasher)) = (piece, &mut hasher) {
                hasher.update(bytes);
                progress.moved(bytes.len());
            } else if hasher.take().is_some_and(|hasher| hasher.finish() != *digest) {
                return Err(BackendError::BadContent("the local copy is damaged".to_owned()));
            }
            Ok(())
        };
        self.objects().await?.write(name, from.file, from.size, check).await
    }

    pub(super) async fn write(&self, name: &str, bytes: &[u8], how: WriteCondition) -> Result<bool, BackendError> {
        let when = match how {
            WriteCondition::Always => PutCondition::Always,
            WriteCondition::IfAbsent => PutCondition::Absent,
            WriteCondition::IfUnchanged(Version::Tag(tag)) => PutCondition::Is(tag),
            WriteCondition::IfUnchanged(Version::Bytes(_)) => return Ok(false),
        };
        self.objects().await?.put(name, bytes.to_vec(), when).await.map_err(BackendError::from)
    }

    pub(super) async fn remove(&self, name: &str) -> Result<(), BackendError> {
        self.objects().await?.remove(name).await.map_err(BackendError::from)
    }

    pub(super) async fn list(&self, folder: &str) -> Result<Vec<StoredFile>, BackendError> {
        let listed = self.objects().await?.list(folder).await?;
        let held = listed.into_iter();
        Ok(held
            .map(|found| StoredFile { name: found.name, size: found.size, modified: found.modified, is_plain: true })
            .collect())
    }
}

impl From<BucketError> for BackendError {
    fn from(error: BucketError) -> Self {
        match error {
            BucketError::Denied(_) => Self::NotWritable(error.to_string()),
            error => Self::Unusable(error.to_string()),
        }
    }
}
