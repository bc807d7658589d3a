//! The identity of an application in Microsoft Entra ID.

/// An application that is registered in a tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cloud) struct Application {
    /// The tenant's id or domain.
    pub(in crate::cloud) tenant: String,
    /// The application's client id.
    pub(in crate::cloud) client: String,
}
