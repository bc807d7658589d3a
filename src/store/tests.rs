//! Tests of the whole store.

mod leases;
mod local;
mod maintenance;
mod shared;

use std::{
    os::unix::fs::{MetadataExt as _, symlink},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use object_store::{
    memory::InMemory,
    throttle::{ThrottleConfig, ThrottledStore},
};
use serde_json::Map;

use super::{
    backend::Backend, bucket::BucketBackend, folder::FolderBackend, local::LocalStore, shared::Shared,
    stall::StallLimits, *,
};
use crate::{
    cloud::{ClientEnvironment, Clouds},
    digest::Digest,
    fs::Tree,
    http::Bucket,
    report::event::Served,
};

/// Short enough for a test, long enough for a busy machine.
const SHORT: StallLimits =
    StallLimits { silence: Duration::from_secs(2), grace: Duration::from_millis(500), slowest: 1 << 20 };

struct Bench {
    temp: tempfile::TempDir,
    warnings: Arc<Mutex<Vec<String>>>,
}

impl Bench {
    fn new() -> Self {
        Self { temp: tempfile::tempdir().expect("a temporary folder"), warnings: Arc::default() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.temp.path().join(name)
    }

    fn warn(&self) -> Warn {
        let warnings = Arc::clone(&self.warnings);
        Arc::new(move |text| warnings.lock().unwrap_or_else(PoisonError::into_inner).push(text))
    }

    fn store(&self) -> Store {
        Store::of(Some(LocalStore::new(self.path("local"))), DEFAULT_LIMIT, None, self.warn())
    }

    /// A node with its own local store and the shared store `shared`.
    fn node(&self, name: &str) -> Store {
        let _ = std::fs::create_dir(self.path("shared"));
        let backend = Backend::Folder(FolderBackend { tree: Tree::shared(self.path("shared")) });
        self.node_with(name, backend)
    }

    fn node_with(&self, name: &str, backend: Backend) -> Store {
        self.node_with_limits(name, backend, StallLimits::default())
    }

    fn node_with_limits(&self, name: &str, backend: Backend, limits: StallLimits) -> Store {
        let shared = Shared::new("/shared".into(), backend, limits, self.warn());
        Store::of(Some(LocalStore::new(self.path(name))), DEFAULT_LIMIT, Some(shared), self.warn())
    }

    /// A node whose shared store is a bucket.
    fn node_of_bucket(&self, name: &str, bucket: &Arc<dyn object_store::ObjectStore>) -> Store {
        self.node_with(name, Backend::Bucket(BucketBackend::of(Bucket::of(Arc::clone(bucket)))))
    }

    /// Like `node_of_bucket`, with short limits.
    fn node_with_short_limits(&self, name: &str, bucket: &Arc<dyn object_store::ObjectStore>) -> Store {
        self.node_with_limits(name, Backend::Bucket(BucketBackend::of(Bucket::of(Arc::clone(bucket)))), SHORT)
    }

    fn warnings(&self) -> Vec<String> {
        std::mem::take(&mut *self.warnings.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path(name);
        crate::fs::replace(&path, bytes, crate::fs::Attributes::mode(0o644)).expect("written");
        path
    }
}

async fn has(store: &Store, digest: &Digest, to: &Path) -> bool {
    store.object(digest, None, to, |_| ()).await
}

/// Publishes these bytes from a node and waits until they are there.
async fn published(bench: &Bench, node: &Store, bytes: &[u8]) -> Object {
    let object = node.add(&bench.file("made", bytes)).await.expect("added");
    node.settle(Duration::from_secs(20)).await;
    object
}
