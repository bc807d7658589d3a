//! Object stores: buckets of S3 and Google and containers of Azure, through the crate `object_store` and nodeagent's
//! own HTTP client. Credentials are sent over https, or stay on the machine. Redirects are not followed.

use std::{
    fmt,
    io::Read,
    str::FromStr,
    sync::Arc,
    time::{Duration, SystemTime},
};

use futures::StreamExt as _;
use object_store::{
    BackoffConfig, Error, ObjectMeta, ObjectStore, ObjectStoreExt as _, PutMode, PutOptions, RetryConfig,
    UpdateVersion, WriteMultipart, aws::AmazonS3Builder, azure::MicrosoftAzureBuilder, gcp::GoogleCloudStorageBuilder,
    path::Path,
};
use tokio::sync::Semaphore;
use url::Url;

use super::{
    bucket_error::{BucketError, invalid},
    client::Client,
    connector::{KeySource, Provider, SharedClient},
};

/// The size of a part of an upload, in bytes: the smallest that S3 accepts.
const PART: usize = 5 << 20;
/// The size of a read, in bytes.
const PIECE: usize = 256 << 10;
/// Multipart uploads that run at the same time.
const MAX_CONCURRENT_UPLOADS: usize = 2;
/// Tries after the first one.
const MAX_RETRIES: usize = 2;
const RETRY_TIMEOUT: Duration = Duration::from_secs(10);

/// How to access a bucket.
pub enum BucketAccess {
    /// S3, or a server with the same interface.
    S3 {
        /// The region of the bucket.
        region: String,
        /// An endpoint other than Amazon's.
        endpoint: Option<String>,
        /// The source of credentials.
        keys: KeySource,
    },
    /// Azure or Google: settings by the names of their environment variables. What is missing is searched for as the
    /// official clients do.
    Settings(Vec<(String, String)>),
}

/// An object of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedObject {
    /// Its name, relative to the path of the bucket.
    pub name: String,
    /// Its size in bytes.
    pub size: u64,
    /// The time of the last write.
    pub modified: SystemTime,
}

/// A small object and its version.
#[derive(Debug, Clone)]
pub struct SmallObject {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// The version that the object store assigned.
    pub tag: Option<VersionTag>,
    /// The time of the last write.
    pub modified: SystemTime,
}

/// The version of an object: the `ETag` for S3 and Azure, the generation for Google.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionTag(UpdateVersion);

impl VersionTag {
    fn of(meta: &ObjectMeta) -> Option<Self> {
        let version = UpdateVersion { e_tag: meta.e_tag.clone(), version: meta.version.clone() };
        (version.e_tag.is_some() || version.version.is_some()).then_some(Self(version))
    }
}

/// When a small object is written.
#[derive(Debug, Clone)]
pub enum PutCondition {
    /// Always.
    Always,
    /// If no object has the name.
    Absent,
    /// If the object has this version.
    Is(VersionTag),
}

/// The objects below a path in a bucket.
#[derive(Clone)]
pub struct Bucket {
    store: Arc<dyn ObjectStore>,
    below: String,
    upload_slots: Arc<Semaphore>,
}

impl fmt::Debug for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Bucket({})", self.below)
    }
}

/// Adds the settings whose names the builder knows.
fn with_settings<B, K: FromStr>(builder: B, settings: Vec<(String, String)>, add: impl Fn(B, K, String) -> B) -> B {
    settings.into_iter().fold(builder, |builder, (name, value)| match name.to_ascii_lowercase().parse() {
        Ok(key) => add(builder, key, value),
        Err(_) => builder,
    })
}

impl Bucket {
    /// Opens a bucket by its address. Sends no request yet.
    pub fn open(client: &Arc<Client>, url: &Url, access: BucketAccess) -> Result<Self, BucketError> {
        let connector = SharedClient(Arc::clone(client));
        let store: Arc<dyn ObjectStore> = match access {
            BucketAccess::S3 { region, endpoint, keys } => {
                let mut builder = AmazonS3Builder::new()
                    .with_url(url.as_str())
                    .with_region(region)
                    .with_credentials(Arc::new(Provider(keys)))
                    .with_allow_http(true)
                    .with_retry(retries())
                    .with_http_connector(connector);
                if let Some(endpoint) = endpoint {
                    builder = builder.with_endpoint(endpoint.trim_end_matches('/'));
                }
                Arc::new(builder.build().map_err(|error| invalid(&error))?)
            }
            BucketAccess::Settings(settings) if url.scheme() == "gs" => {
                let builder = GoogleCloudStorageBuilder::new()
                    .with_url(url.as_str())
                    .with_retry(retries())
                    .with_http_connector(connector);
                let builder = with_settings(builder, settings, GoogleCloudStorageBuilder::with_config);
                Arc::new(builder.build().map_err(|error| invalid(&error))?)
            }
            BucketAccess::Settings(settings) => {
                let builder = MicrosoftAzureBuilder::new()
                    .with_url(url.as_str())
                    .with_allow_http(true)
                    .with_retry(retries())
                    .with_http_connector(connector);
                let builder = with_settings(builder, settings, MicrosoftAzureBuilder::with_config);
                Arc::new(builder.build().map_err(|error| invalid(&error))?)
            }
        };
        // The path of an address is percent-encoded, the name of an object is not.
        let below = Path::from_url_path(url.path()).map_err(|error| BucketError::Invalid(error.to_string()))?;
        Ok(Self::new(store, below.as_ref()))
    }

    /// A bucket in any object store, for tests.
    #[cfg(test)]
    pub(crate) fn of(store: Arc<dyn ObjectStore>) -> Self {
        Self::new(store, "below")
    }

    fn new(store: Arc<dyn ObjectStore>, below: &str) -> Self {
        Self { store, below: below.to_owned(), upload_slots: Arc::new(Semaphore::new(MAX_CONCURRENT_UPLOADS)) }
    }

    /// The size of an object in bytes, or `None` if it does not exist.
    pub async fn size(&self, name: &str) -> Result<Option<u64>, BucketError> {
        Ok(found(self.store.head(&self.path(name)).await)?.map(|meta| meta.size))
    }

    /// Reads an object in pieces. The first call of `take` has the size and no bytes. Returns whether the object
    /// exists.
    pub async fn read<E: From<BucketError>>(
        &self,
        name: &str,
        mut take: impl FnMut(u64, &[u8]) -> Result<(), E>,
    ) -> Result<bool, E> {
        let Some(answer) = found(self.store.get(&self.path(name)).await)? else { return Ok(false) };
        let size = answer.meta.size;
        take(size, &[])?;
        let mut pieces = answer.into_stream();
        while let Some(piece) = pieces.next().await {
            take(size, &piece.map_err(BucketError::from)?)?;
        }
        Ok(true)
    }

    /// Reads a small object whole, or returns `None` if it does not exist. The bytes after `limit` are dropped.
    pub async fn small(&self, name: &str, limit: u64) -> Result<Option<SmallObject>, BucketError> {
        let Some(answer) = found(self.store.get(&self.path(name)).await)? else { return Ok(None) };
        let (tag, modified) = (VersionTag::of(&answer.meta), answer.meta.last_modified.into());
        let (mut bytes, mut pieces) = (Vec::new(), answer.into_stream());
        while let Some(piece) = pieces.next().await {
            bytes.extend_from_slice(&piece?);
            if bytes.len() as u64 > limit {
                break;
            }
        }
        Ok(Some(SmallObject { bytes, tag, modified }))
    }

    /// Writes an object from a file; a large file in parts, which appear together at the end. `check` receives each
    /// piece before it is sent, and `None` at the end; an error cancels the upload.
    pub async fn write<E: From<BucketError>>(
        &self,
        name: &str,
        mut from: impl Read + Send,
        size: u64,
        mut check: impl FnMut(Option<&[u8]>) -> Result<(), E>,
    ) -> Result<(), E> {
        let path = self.path(name);
        let mut piece = |buffer: &mut Vec<u8>, most: usize| -> Result<bool, E> {
            buffer.clear();
            let read = from.by_ref().take(most as u64).read_to_end(buffer);
            read.map_err(|error| BucketError::Failed(error.to_string()))?;
            check((!buffer.is_empty()).then_some(buffer.as_slice()))?;
            Ok(!buffer.is_empty())
        };
        if size < PART as u64 {
            let (mut whole, mut rest) = (Vec::new(), Vec::new());
            if piece(&mut whole, PART)? && piece(&mut rest, PIECE)? {
                return Err(BucketError::Failed("the file grew while it was read".to_owned()).into());
            }
            self.store.put(&path, whole.into()).await.map_err(BucketError::from)?;
            return Ok(());
        }
        // Each upload holds some parts in memory.
        let _slot = self.upload_slots.acquire().await;
        let upload = self.store.put_multipart(&path).await.map_err(BucketError::from)?;
        let mut parts = WriteMultipart::new_with_chunk_size(upload, PART);
        let mut buffer = Vec::with_capacity(PIECE);
        loop {
            match piece(&mut buffer, PIECE) {
                Ok(true) => {
                    parts.write(&buffer);
                    if let Err(error) = parts.wait_for_capacity(1).await {
                        let _ = parts.abort().await;
                        return Err(BucketError::from(error).into());
                    }
                }
                Ok(false) => break,
                Err(error) => {
                    let _ = parts.abort().await;
                    return Err(error);
                }
            }
        }
        parts.finish().await.map_err(BucketError::from)?;
        Ok(())
    }

    /// Writes a small object if the condition holds. Returns whether it was written.
    pub async fn put(&self, name: &str, bytes: Vec<u8>, when: PutCondition) -> Result<bool, BucketError> {
        let mode = match when {
            PutCondition::Always => PutMode::Overwrite,
            PutCondition::Absent => PutMode::Create,
            PutCondition::Is(VersionTag(version)) => PutMode::Update(version),
        };
        let is_update = matches!(mode, PutMode::Update(_));
        match self.store.put_opts(&self.path(name), bytes.into(), PutOptions::from(mode)).await {
            Ok(_) => Ok(true),
            Err(Error::AlreadyExists { .. } | Error::Precondition { .. }) => Ok(false),
            // The object to replace does not exist any more. Without this condition, the error means that the bucket
            // does not exist.
            Err(Error::NotFound { .. }) if is_update => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Removes an object. Succeeds if it does not exist.
    pub async fn remove(&self, name: &str) -> Result<(), BucketError> {
        found(self.store.delete(&self.path(name)).await).map(drop)
    }

    /// All objects in a folder, sorted by name.
    pub async fn list(&self, folder: &str) -> Result<Vec<ListedObject>, BucketError> {
        self.list_some(folder, usize::MAX).await
    }

    /// The objects in a folder, sorted by name. The listing ends after `limit` objects; it then has one more.
    pub async fn list_some(&self, folder: &str, limit: usize) -> Result<Vec<ListedObject>, BucketError> {
        let mut listed = self.store.list(Some(&self.path(folder)));
        let mut all: Vec<ListedObject> = Vec::new();
        while let Some(meta) = listed.next().await {
            if all.len() > limit {
                break;
            }
            let meta = meta?;
            let name = meta.location.as_ref();
            let name = name.strip_prefix(self.below.as_str()).unwrap_or(name).trim_start_matches('/').to_owned();
            all.push(ListedObject { name, size: meta.size, modified: meta.last_modified.into() });
        }
        all.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(all)
    }

    fn path(&self, name: &str) -> Path {
        let path = format!("{}/{name}", self.below);
        // `from` would encode characters that the names of objects may have, such as `~` and `#`.
        Path::parse(&path).unwrap_or_else(|_| Path::from(path))
    }
}

fn found<T>(result: Result<T, Error>) -> Result<Option<T>, BucketError> {
    match result {
        Ok(found) => Ok(Some(found)),
        Err(Error::NotFound { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn retries() -> RetryConfig {
    RetryConfig { backoff: BackoffConfig::default(), max_retries: MAX_RETRIES, retry_timeout: RETRY_TIMEOUT }
}
