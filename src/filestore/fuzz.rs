//! The entry function of a fuzz target.

use std::sync::Arc;

use super::{FileStoreAddress, FileStoreError, remote_client::RemoteClient};
use crate::cloud::Clouds;

/// Lists a folder, and reads its first file.
pub(crate) async fn list(address: FileStoreAddress, clouds: Arc<Clouds>, folder: &str) -> Result<(), FileStoreError> {
    let client = RemoteClient { address, clouds };
    let found = match client.list(folder).await? {
        Some(entries) => entries.into_iter().find(|entry| !entry.is_folder),
        None => client.look("Family/family.toml").await?,
    };
    let Some(entry) = found else { return Ok(()) };
    let size = entry.size.unwrap_or_default();
    let piece = size.min(client.piece());
    client.read(&entry.name, &entry, 0, piece).await.map(drop)
}
