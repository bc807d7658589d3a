//! Entries of a store: read and publish the objects for a key.

use std::{path::Path, sync::Arc};

use serde_json::{Map, Value};

use super::{
    Entry, Key, Kind, Member, Store, StoreError, Tier, Visibility,
    blocking::blocking,
    shared::{Existing, Urgency},
};

impl Store {
    /// The entry for a key, from the local store or else from the shared store.
    pub async fn entry(&self, kind: Kind, key: &Key) -> Option<Entry> {
        match self.entry_in(Tier::Local, kind, key).await {
            None => self.entry_in(Tier::Shared, kind, key).await,
            here => here,
        }
    }

    /// The entry for a key in one tier.
    pub async fn entry_in(&self, tier: Tier, kind: Kind, key: &Key) -> Option<Entry> {
        if tier == Tier::Shared {
            return self.shared()?.entry(kind, key).await;
        }
        let (inner, key) = (Arc::clone(&self.0), key.clone());
        blocking(move || inner.local.as_ref().map_or(Ok(None), |local| local.entry(kind, &key))).await.unwrap_or_else(
            |error| {
                (self.0.warn)(error.in_words());
                None
            },
        )
    }

    /// Writes an entry to both tiers. In the shared store it appears after its objects, which must be in the local
    /// store. An entry that exists there is kept.
    pub async fn publish(&self, kind: Kind, key: &Key, entry: &Entry) -> Result<(), StoreError> {
        self.put_entry(kind, key, entry).await?;
        let (store, key, entry) = (self.clone(), key.clone(), entry.clone());
        self.in_background(async move { store.publish_entry(kind, &key, &entry, Existing::Keep).await });
        Ok(())
    }

    /// Like [`Store::publish`], but replaces an entry that exists, because it was unusable. Waits until other nodes can
    /// see the new entry.
    pub async fn republish(&self, kind: Kind, key: &Key, entry: &Entry) -> Result<(), StoreError> {
        self.put_entry(kind, key, entry).await?;
        self.publish_entry(kind, key, entry, Existing::Replace).await;
        Ok(())
    }

    /// Adds a file and writes an entry for it, replacing an entry that exists. `visibility` decides whether both are
    /// also published.
    pub async fn publish_file(
        &self,
        (kind, key): (Kind, &Key),
        role: &str,
        file: &Path,
        facts: Map<String, Value>,
        visibility: Visibility,
    ) -> Result<(), StoreError> {
        let entry = |object| Entry::new(kind, vec![Member::new(role, &object)], facts);
        match visibility {
            Visibility::Shared => self.republish(kind, key, &entry(self.add(file).await?)).await,
            Visibility::NodeOnly => self.put_entry(kind, key, &entry(self.add_local(file).await?)).await,
        }
    }

    /// Writes an entry on this node only.
    pub async fn put_entry(&self, kind: Kind, key: &Key, entry: &Entry) -> Result<(), StoreError> {
        let (inner, key, bytes) = (Arc::clone(&self.0), key.clone(), entry.to_bytes());
        blocking(move || inner.local.as_ref().map_or(Ok(()), |local| local.put_entry(kind, &key, &bytes))).await
    }

    async fn publish_entry(&self, kind: Kind, key: &Key, entry: &Entry, existing: Existing) {
        let Some(shared) = self.shared() else { return };
        for digest in entry.objects.iter().map(Member::digest) {
            if !shared.publish(&digest, Urgency::Normal, || self.local_object(&digest)).await {
                return;
            }
        }
        shared.put_entry(kind, key, &entry.to_bytes(), existing).await;
    }
}
