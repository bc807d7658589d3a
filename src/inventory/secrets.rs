//! The secrets of a run, fetched before anything is planned and held until they are delivered.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    cloud::Clouds,
    secrets::{Address, Secret, SecretError, fetch_all},
};

/// Fetched secrets, by where they come from.
#[derive(Debug, Default)]
pub struct Vault(BTreeMap<Address, Result<Secret, SecretError>>);

impl Vault {
    /// Fetches secrets at the same time.
    pub async fn fetch<'a>(addresses: impl IntoIterator<Item = &'a Address>, clouds: &Clouds) -> Self {
        Self(fetch_all(addresses, clouds).await)
    }

    /// Fetches more secrets, those that are here already left out.
    pub async fn add(&mut self, addresses: impl IntoIterator<Item = &Address>, clouds: &Clouds) {
        let more: BTreeSet<&Address> = addresses.into_iter().filter(|address| !self.0.contains_key(*address)).collect();
        let fetched = fetch_all(more, clouds).await;
        self.0.extend(fetched);
    }

    /// All that was fetched, and why what was not.
    pub fn iter(&self) -> impl Iterator<Item = (&Address, Result<&Secret, &SecretError>)> {
        self.0.iter().map(|(address, value)| (address, value.as_ref()))
    }

    /// A secret, or why there is none.
    pub fn get(&self, address: &Address) -> Option<Result<&Secret, &SecretError>> {
        self.0.get(address).map(Result::as_ref)
    }
}
