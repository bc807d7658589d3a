//! The storage backends of a shared store.

use super::{
    backend_error::BackendError,
    blocking::blocking,
    bucket::BucketBackend,
    folder::FolderBackend,
    receiver::Receiver,
    stall::TransferProgress,
    stored_file::{SmallFile, StoredFile, WriteCondition},
};
use crate::{digest::Digest, fs::OpenFile};

/// The storage behind a shared store: a folder or a bucket.
pub(super) enum Backend {
    Folder(FolderBackend),
    Bucket(BucketBackend),
}

impl Backend {
    pub(super) async fn look(&self) -> Result<(), BackendError> {
        match self {
            Self::Folder(folder) => beside(folder, FolderBackend::look).await,
            // The first request for an object opens and checks the bucket.
            Self::Bucket(bucket) => Box::pin(bucket.objects()).await.map(drop),
        }
    }

    pub(super) async fn size(&self, name: &str) -> Result<Option<u64>, BackendError> {
        let name = name.to_owned();
        match self {
            Self::Folder(folder) => beside(folder, move |folder| folder.size(&name)).await,
            Self::Bucket(bucket) => Box::pin(bucket.size(&name)).await,
        }
    }

    pub(super) async fn read(
        &self,
        name: &str,
        to: Receiver,
        progress: &TransferProgress,
    ) -> Result<Option<Receiver>, BackendError> {
        let (name, progress) = (name.to_owned(), progress.clone());
        match self {
            Self::Folder(folder) => beside(folder, move |folder| folder.read(&name, to, &progress)).await,
            Self::Bucket(bucket) => Box::pin(bucket.read(&name, to, &progress)).await,
        }
    }

    pub(super) async fn content(&self, name: &str) -> Result<Option<SmallFile>, BackendError> {
        let name = name.to_owned();
        match self {
            Self::Folder(folder) => beside(folder, move |folder| folder.content(&name)).await,
            Self::Bucket(bucket) => Box::pin(bucket.content(&name)).await,
        }
    }

    pub(super) async fn publish(
        &self,
        name: &str,
        from: OpenFile,
        digest: &Digest,
        progress: &TransferProgress,
    ) -> Result<(), BackendError> {
        let (name, digest, progress) = (name.to_owned(), digest.clone(), progress.clone());
        match self {
            Self::Folder(folder) => beside(folder, move |folder| folder.publish(&name, from, &digest, &progress)).await,
            Self::Bucket(bucket) => Box::pin(bucket.publish(&name, from, &digest, &progress)).await,
        }
    }

    pub(super) async fn write(&self, name: &str, bytes: &[u8], how: WriteCondition) -> Result<bool, BackendError> {
        let (name, bytes) = (name.to_owned(), bytes.to_vec());
        match self {
            Self::Folder(folder) => beside(folder, move |folder| folder.write(&name, &bytes, &how)).await,
            Self::Bucket(bucket) => Box::pin(bucket.write(&name, &bytes, how)).await,
        }
    }

    pub(super) async fn remove(&self, name: &str) -> Result<(), BackendError> {
        let name = name.to_owned();
        match self {
            Self::Folder(folder) => beside(folder, move |folder| folder.remove(&name)).await,
            Self::Bucket(bucket) => Box::pin(bucket.remove(&name)).await,
        }
    }

    pub(super) async fn list(&self, below: &str) -> Result<Vec<StoredFile>, BackendError> {
        let below = below.to_owned();
        match self {
            Self::Folder(folder) => beside(folder, move |folder| folder.list(&below)).await,
            Self::Bucket(bucket) => Box::pin(bucket.list(&below)).await,
        }
    }
}

/// Runs work on the folder in a blocking thread. If the caller stops waiting, the thread stays behind: nothing can
/// interrupt a thread that waits for a dead file system.
async fn beside<T: Send + 'static>(
    folder: &FolderBackend,
    work: impl FnOnce(&FolderBackend) -> Result<T, BackendError> + Send + 'static,
) -> Result<T, BackendError> {
    let folder = folder.clone();
    blocking(move || work(&folder)).await
}
