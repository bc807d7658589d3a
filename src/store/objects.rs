//! Objects of a store: fetch one to a path, add a file, publish it.

use std::{
    path::Path,
    sync::{Arc, atomic::Ordering},
};

use super::{FetchPermit, LeaseGuard, Object, Store, StoreError, blocking::blocking, layout, shared::Urgency};
use crate::{digest::Digest, fs::OpenFile};

impl Store {
    /// Creates an object at a path, complete and verified. Returns whether the object exists. A file that is
    /// already there with the right digest is kept. `on_bytes` receives the number of bytes copied.
    pub async fn object(&self, digest: &Digest, size: Option<u64>, to: &Path, on_bytes: impl Fn(u64)) -> bool {
        if !layout::is_name(digest) {
            return false;
        }
        if is_there(digest, to).await {
            return true;
        }
        if let Some(found) = self.out_of_local(digest, to).await {
            on_bytes(found);
            self.0.count.local.add(found);
            return true;
        }
        let Some(shared) = self.shared() else { return false };
        let Some(found) = shared.fetch(digest, size, to, on_bytes).await else { return false };
        self.0.count.shared.add(found);
        self.copy_in(digest, to).await;
        true
    }

    /// Adds a file under its digest and publishes it.
    pub async fn add(&self, file: &Path) -> Result<Object, StoreError> {
        let object = self.add_local(file).await?;
        self.publish_object(&object.digest, None);
        Ok(object)
    }

    /// Like [`Store::add`], but on this node only: for content with restricted access.
    pub async fn add_local(&self, file: &Path) -> Result<Object, StoreError> {
        let path = file.to_owned();
        let read = blocking(move || Digest::sha256_of_file(&path)).await;
        let digest = read.map_err(|error| StoreError::unreadable(file, error))?;
        let size = std::fs::metadata(file).map_err(|error| StoreError::unreadable(file, error))?.len();
        self.to_local(&digest, file).await?;
        Ok(Object { digest, size })
    }

    /// Adds a file whose digest was just checked, and publishes it; with a permit that other nodes wait for, it is
    /// published first. A failure is only a warning.
    pub async fn keep(&self, digest: &Digest, file: &Path, permit: FetchPermit) {
        let guard = permit.into_guard();
        if self.copy_in(digest, file).await {
            self.publish_object(digest, guard);
        }
    }

    /// Like [`Store::keep`], but on this node only: for content with restricted access.
    pub async fn keep_local(&self, digest: &Digest, file: &Path) {
        self.copy_in(digest, file).await;
    }

    /// Publishes an object, then releases the lease that other nodes wait for.
    fn publish_object(&self, digest: &Digest, guard: Option<LeaseGuard>) {
        let (store, digest) = (self.clone(), digest.clone());
        self.in_background(async move {
            if let Some(shared) = store.shared() {
                let urgency = if guard.is_some() { Urgency::Awaited } else { Urgency::Normal };
                shared.publish(&digest, urgency, || store.local_object(&digest)).await;
            }
            if let Some(guard) = guard {
                guard.release().await;
            }
        });
    }

    pub(super) fn local_object(&self, digest: &Digest) -> Option<OpenFile> {
        self.0.local.as_ref()?.tree.open(&layout::object(digest)).ok()?
    }

    /// Adds a file, or warns once if that fails. Returns whether it was added.
    async fn copy_in(&self, digest: &Digest, file: &Path) -> bool {
        let Err(error) = self.to_local(digest, file).await else { return self.0.local.is_some() };
        if !self.0.warned.swap(true, Ordering::Relaxed) {
            (self.0.warn)(format!("downloads are not kept in the local store: {}", error.in_words()));
        }
        false
    }

    async fn to_local(&self, digest: &Digest, file: &Path) -> Result<(), StoreError> {
        let (inner, digest, file) = (Arc::clone(&self.0), digest.clone(), file.to_owned());
        blocking(move || {
            let Some(local) = &inner.local else { return Ok(()) };
            inner.grown.store(true, Ordering::Relaxed);
            local.copy_in(&digest, &file)
        })
        .await
    }

    /// Places an object from the local store at a path. Returns its size.
    async fn out_of_local(&self, digest: &Digest, to: &Path) -> Option<u64> {
        let (inner, also, to) = (Arc::clone(&self.0), digest.clone(), to.to_owned());
        match blocking(move || inner.local.as_ref()?.copy_out(&also, &to).transpose()).await? {
            Ok(size) => Some(size),
            Err(error) => {
                (self.0.warn)(error.in_words());
                None
            }
        }
    }
}

async fn is_there(digest: &Digest, to: &Path) -> bool {
    let (digest, to) = (digest.clone(), to.to_owned());
    blocking(move || Digest::sha256_of_file(&to).is_ok_and(|found| found == digest)).await
}
