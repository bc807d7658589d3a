//! An Azure tenant: the identity of the node, access tokens for services, and secrets of Key Vaults.

mod claims;
mod credential;
mod tenant;
mod token;
mod vault;

pub use claims::AzurePrincipal;
pub use tenant::Tenant;
pub(crate) use vault::Vault;
