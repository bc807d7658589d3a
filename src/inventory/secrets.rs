//! The secrets of a run: fetched before planning and kept until they are delivered.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    cloud::Clouds,
    secrets::{Address, Secret, SecretError, fetch_all},
};

/// Fetched secrets by their sources.
#[derive(Debug, Default)]
pub struct Vault(BTreeMap<Address, Result<Secret, SecretError>>);

impl Vault {
    /// Fetches secrets concurrently.
    pub async fn fetch<'a>(addresses: impl IntoIterator<Item = &'a Address>, clouds: &Clouds) -> Self {
        Self(fetch_all(addresses, clouds).await)
    }

    /// Fetches the secrets that are not present yet.
    pub async fn add(&mut self, addresses: impl IntoIterator<Item = &Address>, clouds: &Clouds) {
        let more: BTreeSet<&Address> = addresses.into_iter().filter(|address| !self.0.contains_key(*address)).collect();
        let fetched = fetch_all(more, clouds).await;
        self.0.extend(fetched);
    }

    /// All fetched secrets, and the errors of the others.
    pub fn iter(&self) -> impl Iterator<Item = (&Address, Result<&Secret, &SecretError>)> {
        self.0.iter().map(|(address, value)| (address, value.as_ref()))
    }

    /// A secret, or the reason why it could not be fetched.
    pub fn get(&self, address: &Address) -> Option<Result<&Secret, &SecretError>> {
        self.0.get(address).map(Result::as_ref)
    }
}
