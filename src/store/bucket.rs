//! A shared store in a bucket. Small objects are written with one PUT, large ones in parts that appear together.

use std::sync::Arc;

use futures::FutureExt as _;
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
    cloud::Clouds,
    digest::Digest,
    fs::OpenFile,
    http::{Bucket, BucketAccess, BucketError, PutCondition},
};

/// Settings that would make the library start `az`, which would inherit the whole environment.
const STARTS_A_PROGRAM: [&str; 2] = ["AZURE_USE_AZURE_CLI", "AZURE_CREDENTIAL_TYPE"];

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
        let access = match self.url.scheme() {
            "s3" | "s3a" => s3(clouds).await?,
            scheme => {
                let prefix = if scheme == "gs" { "GOOGLE_" } else { "AZURE_" };
                let variables = clouds.environment.variables.iter();
                let settings = variables.filter(|(name, value)| {
                    name.starts_with(prefix) && !value.is_empty() && !STARTS_A_PROGRAM.contains(&name.as_str())
                });
                BucketAccess::Settings(settings.map(|(name, value)| (name.clone(), value.clone())).collect())
            }
        };
        Ok(Bucket::open(&clouds.http, &self.url, access)?)
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

/// Credentials, region and endpoint of S3, from the same chain as for secrets.
async fn s3(clouds: &Arc<Clouds>) -> Result<BucketAccess, BackendError> {
    let unusable = |error: crate::cloud::CloudError| BackendError::Unusable(error.to_string());
    let account = clouds.aws().await.map_err(unusable)?;
    let region = account.region(None).await.map_err(unusable)?;
    let endpoint = account.s3_endpoint().map(str::to_owned);
    let clouds = Arc::clone(clouds);
    let keys = Arc::new(move || {
        let clouds = Arc::clone(&clouds);
        async move {
            let account = clouds.aws().await.map_err(|error| error.to_string())?;
            account.keys().await.map_err(|error| error.to_string())
        }
        .boxed()
    });
    Ok(BucketAccess::S3 { region, endpoint, keys: keys as crate::http::KeySource })
}
