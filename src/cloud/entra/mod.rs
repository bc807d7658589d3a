//! Microsoft Entra ID: access tokens for applications and for managed identities.
//!
//! Azure and Databricks use the same client, so that an AADSTS error code has the same hint for both. Each of them
//! names its own environment variables in the hints.

mod application;
mod client_credentials;
mod managed_identity;
mod refusal;

pub(super) use self::{
    application::Application,
    client_credentials::{Audience, Proof, TokenRequest},
    managed_identity::{METADATA_PATH, MetadataToken, app_service_token, probe},
};

/// The environment variables that configure an identity. Hints name them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct VariableNames {
    pub(super) tenant_id: &'static str,
    pub(super) client_id: &'static str,
    pub(super) client_secret: &'static str,
}

/// The variables of Azure's own clients.
pub(super) const AZURE_VARIABLES: VariableNames =
    VariableNames { tenant_id: "AZURE_TENANT_ID", client_id: "AZURE_CLIENT_ID", client_secret: "AZURE_CLIENT_SECRET" };

/// The variables of the Databricks clients.
pub(super) const DATABRICKS_VARIABLES: VariableNames =
    VariableNames { tenant_id: "ARM_TENANT_ID", client_id: "ARM_CLIENT_ID", client_secret: "ARM_CLIENT_SECRET" };
