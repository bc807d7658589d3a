//! Maintenance of a store: statistics, verification, removal of old objects, and copies between the two tiers.

use std::collections::{BTreeMap, BTreeSet};

use futures::{StreamExt as _, stream};
use serde::Serialize;

use super::{
    Entry, Key, Kind, Store, StoreError,
    backend_error::BackendError,
    blocking::blocking,
    folder::{FolderBackend, age},
    layout::{self, Name},
    local::LocalStore,
    shared::{Existing, Shared, Urgency},
    stored_file::StoredFile,
};
use crate::{digest::Digest, report::event::Served};

/// Temporary files and leases that are older than this were left by killed processes.
const ABANDONED_AGE: std::time::Duration = std::time::Duration::from_secs(86_400);
/// Objects that are read or copied at the same time.
const CONCURRENCY: usize = 4;

/// One of the two parts of a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tier {
    /// The store on this node.
    Local,
    /// The store that nodes share.
    Shared,
}

/// The contents of one tier.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct StoreStats {
    /// Number and bytes of objects.
    pub objects: Served,
    /// Number of entries of each kind.
    pub entries: BTreeMap<Kind, u64>,
    /// Number of leases.
    pub leases: u64,
    /// Number of files that do not belong to the store.
    pub foreign: u64,
}

/// The result of verifying one tier.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct VerifyReport {
    /// Number and bytes of objects that match their digests.
    pub sound: Served,
    /// Names of damaged objects and entries. They were removed where possible.
    pub damaged: Vec<String>,
    /// Names of files that do not belong to the store. nodeagent never reads them.
    pub foreign: Vec<String>,
}

/// The result of removing or copying files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct MaintenanceReport {
    /// Number and bytes of objects that were removed or copied.
    pub objects: Served,
    /// Number of entries that were removed or copied.
    pub entries: u64,
    /// Number of objects and entries that could not be removed or copied.
    pub failed: u64,
}

impl Store {
    /// The contents of one tier.
    pub async fn stat(&self, tier: Tier) -> Result<StoreStats, StoreError> {
        let mut stat = StoreStats::default();
        for file in self.stored_files(tier).await? {
            match layout::name(&file.name).filter(|_| file.is_plain) {
                Some(Name::Object(_)) => {
                    stat.objects.objects += 1;
                    stat.objects.bytes += file.size;
                }
                Some(Name::Entry(kind, _)) => *stat.entries.entry(kind).or_default() += 1,
                Some(Name::Lease) => stat.leases += 1,
                Some(Name::LeftOver) => {}
                None => stat.foreign += 1,
            }
        }
        Ok(stat)
    }

    /// Reads every object of a tier and compares it with its digest, and parses every entry. Damaged files are removed.
    pub async fn verify(&self, tier: Tier) -> Result<VerifyReport, StoreError> {
        let files = self.stored_files(tier).await?;
        let mut looked = stream::iter(files)
            .map(|file| async move {
                let is_sound = match layout::name(&file.name) {
                    _ if !file.is_plain => return (file, None),
                    None => return (file, None),
                    Some(Name::Object(digest)) => self.is_sound(tier, &digest, file.size).await,
                    Some(Name::Entry(kind, key)) => self.entry_of(tier, kind, &key).await.is_some(),
                    Some(Name::Lease | Name::LeftOver) => true,
                };
                (file, Some(is_sound))
            })
            .buffered(CONCURRENCY);
        let mut verdict = VerifyReport::default();
        while let Some((file, is_sound)) = looked.next().await {
            match is_sound {
                None => verdict.foreign.push(file.name),
                Some(true) if file.name.starts_with(layout::OBJECTS) => {
                    verdict.sound.objects += 1;
                    verdict.sound.bytes += file.size;
                }
                Some(true) => {}
                Some(false) => {
                    self.discard(tier, &file.name).await?;
                    verdict.damaged.push(file.name);
                }
            }
        }
        // If the shared store failed meanwhile, the result is incomplete.
        if tier == Tier::Shared {
            self.require_shared()?;
        }
        Ok(verdict)
    }

    /// Removes the objects that were unused for the longest time until the rest is within `limit` bytes. Also removes
    /// entries without their objects, and files that killed processes left.
    pub async fn gc(&self, tier: Tier, limit: u64) -> Result<MaintenanceReport, StoreError> {
        let mut objects: Vec<(StoredFile, Digest)> = Vec::new();
        let (mut entries, mut old) = (Vec::new(), Vec::new());
        for file in self.stored_files(tier).await? {
            match layout::name(&file.name).filter(|_| file.is_plain) {
                Some(Name::Object(digest)) => objects.push((file, digest)),
                Some(Name::Entry(kind, key)) => entries.push((file, kind, key)),
                Some(Name::Lease | Name::LeftOver) if age(file.modified) > ABANDONED_AGE => {
                    old.push(file);
                }
                Some(Name::Lease | Name::LeftOver) | None => {}
            }
        }
        objects.sort_by_key(|(file, _)| file.modified);
        let mut total: u64 = objects.iter().map(|(file, _)| file.size).sum();
        let mut done = MaintenanceReport::default();
        let mut kept = BTreeSet::new();
        for (file, digest) in objects {
            if total <= limit {
                kept.insert(digest);
                continue;
            }
            self.discard(tier, &file.name).await?;
            total -= file.size;
            done.objects.objects += 1;
            done.objects.bytes += file.size;
        }
        for (file, kind, key) in entries {
            // The objects of the entry may be in the other tier.
            let Some(entry) = self.entry_of(tier, kind, &key).await else { continue };
            let is_whole = entry.objects.iter().all(|member| kept.contains(&member.digest()));
            if !is_whole && (tier == Tier::Shared || self.0.shared.is_none()) {
                self.discard(tier, &file.name).await?;
                done.entries += 1;
            }
        }
        for file in old {
            self.discard(tier, &file.name).await?;
        }
        Ok(done)
    }

    /// Checks that the shared store, if there is one, can be written. For commands that prepare for a long time before
    /// they publish.
    pub async fn check_writable(&self) -> Result<(), StoreError> {
        let Some(shared) = &self.0.shared else { return Ok(()) };
        let failed = |error: BackendError| StoreError::NotWritable { name: shared.name.clone(), why: error.in_words() };
        shared.check_writable().await.map_err(failed)
    }

    /// Publishes everything in the local store to the shared store.
    pub async fn push(&self) -> Result<MaintenanceReport, StoreError> {
        let stored_files = self.stored_files(Tier::Local).await?;
        let there = self.sizes_in_shared().await?;
        let shared = self.require_shared()?;
        let (objects, entries) = split(stored_files);
        let missing = objects.into_iter().filter(|(file, _)| there.get(&file.name) != Some(&file.size));
        let mut moved = stream::iter(missing)
            .map(|(file, digest)| async move {
                let published = shared.publish(&digest, Urgency::Normal, || self.local_object(&digest)).await;
                (published, file.size)
            })
            .buffer_unordered(CONCURRENCY);
        let mut done = MaintenanceReport::default();
        while let Some((published, size)) = moved.next().await {
            done.count(published, size);
        }
        for (_, kind, key) in entries.into_iter().filter(|(file, ..)| !there.contains_key(&file.name)) {
            let Some(entry) = self.entry_of(Tier::Local, kind, &key).await else { continue };
            if shared.put_entry(kind, &key, &entry.to_bytes(), Existing::Keep).await {
                done.entries += 1;
            } else {
                done.failed += 1;
            }
        }
        self.require_shared()?;
        Ok(done)
    }

    /// Copies everything in the shared store to the local store.
    pub async fn pull(&self) -> Result<MaintenanceReport, StoreError> {
        let shared = self.require_shared()?;
        let Some(local) = &self.0.local else { return Ok(MaintenanceReport::default()) };
        let (objects, entries) = split(self.stored_files(Tier::Shared).await?);
        let here: BTreeSet<String> = self.stored_files(Tier::Local).await?.into_iter().map(|file| file.name).collect();
        let here = &here;
        let missing = objects.into_iter().filter(|(file, _)| !here.contains(&file.name));
        let mut moved = stream::iter(missing)
            .map(|(file, digest)| async move {
                let to = local.tree.path(&file.name);
                shared.fetch(&digest, Some(file.size), &to, |_| ()).await.map_or((false, 0), |size| (true, size))
            })
            .buffer_unordered(CONCURRENCY);
        let mut done = MaintenanceReport::default();
        while let Some((fetched, size)) = moved.next().await {
            done.count(fetched, size);
        }
        for (_, kind, key) in entries.into_iter().filter(|(file, ..)| !here.contains(&file.name)) {
            let Some(entry) = shared.entry(kind, &key).await else {
                done.failed += 1;
                continue;
            };
            local.put_entry(kind, &key, &entry.to_bytes())?;
            done.entries += 1;
        }
        self.require_shared()?;
        Ok(done)
    }

    /// Keeps the local store within its limit, if something was added.
    pub(super) async fn keep_within_bound(&self) {
        if self.0.grown.swap(false, std::sync::atomic::Ordering::Relaxed)
            && let Err(error) = self.gc(Tier::Local, self.0.limit).await
        {
            (self.0.warn)(error.in_words());
        }
    }

    /// All files of a tier, sorted by name.
    async fn stored_files(&self, tier: Tier) -> Result<Vec<StoredFile>, StoreError> {
        match tier {
            Tier::Local => {
                let Some(LocalStore { tree }) = self.0.local.clone() else { return Ok(Vec::new()) };
                let listed = blocking(move || FolderBackend { tree }.list(layout::TOP)).await;
                listed.map_err(|error| StoreError::Unlisted(error.in_words()))
            }
            Tier::Shared => self.require_shared()?.list(layout::TOP).await.map_err(|()| self.unavailable()),
        }
    }

    async fn sizes_in_shared(&self) -> Result<BTreeMap<String, u64>, StoreError> {
        let stored_files = self.stored_files(Tier::Shared).await?;
        Ok(stored_files.into_iter().filter(|file| file.is_plain).map(|file| (file.name, file.size)).collect())
    }

    async fn is_sound(&self, tier: Tier, digest: &Digest, size: u64) -> bool {
        match (tier, &self.0.local) {
            (Tier::Local, Some(local)) => {
                let (local, digest) = (local.clone(), digest.clone());
                blocking(move || local.is_sound(&digest)).await
            }
            (Tier::Local, None) => true,
            // If the shared store cannot be read, nothing is known about the object.
            (Tier::Shared, _) => match self.shared() {
                Some(shared) => shared.is_sound(digest, size).await || !shared.is_in_use(),
                None => true,
            },
        }
    }

    async fn entry_of(&self, tier: Tier, kind: Kind, key: &Key) -> Option<Entry> {
        match tier {
            Tier::Shared => self.shared()?.entry(kind, key).await,
            Tier::Local => {
                let (local, key) = (self.0.local.clone()?, key.clone());
                blocking(move || local.look_at_entry(kind, &key)).await
            }
        }
    }

    async fn discard(&self, tier: Tier, name: &str) -> Result<(), StoreError> {
        match tier {
            Tier::Shared => self.require_shared()?.remove(name).await.map_err(|()| self.unavailable()),
            Tier::Local => {
                let (local, name) = (self.0.local.clone(), name.to_owned());
                blocking(move || local.map_or(Ok(()), |local| local.tree.remove(&name))).await?;
                Ok(())
            }
        }
    }

    fn require_shared(&self) -> Result<&Shared, StoreError> {
        self.shared().map(|shared| &**shared).ok_or_else(|| self.unavailable())
    }

    fn unavailable(&self) -> StoreError {
        match &self.0.shared {
            Some(shared) => StoreError::Gone { name: shared.name.clone() },
            None => StoreError::NothingShared,
        }
    }
}

impl MaintenanceReport {
    fn count(&mut self, succeeded: bool, bytes: u64) {
        if succeeded {
            self.objects.objects += 1;
            self.objects.bytes += bytes;
        } else {
            self.failed += 1;
        }
    }
}

/// Splits files into objects and entries, and drops files that are not regular files.
#[expect(clippy::type_complexity, reason = "two lists of files, each with its parsed name")]
fn split(stored_files: Vec<StoredFile>) -> (Vec<(StoredFile, Digest)>, Vec<(StoredFile, Kind, Key)>) {
    let (mut objects, mut entries) = (Vec::new(), Vec::new());
    for file in stored_files.into_iter().filter(|file| file.is_plain) {
        match layout::name(&file.name) {
            Some(Name::Object(digest)) => objects.push((file, digest)),
            Some(Name::Entry(kind, key)) => entries.push((file, kind, key)),
            _ => {}
        }
    }
    (objects, entries)
}
