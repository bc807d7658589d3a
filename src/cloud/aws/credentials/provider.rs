//! A configured source of credentials, and the roles that are assumed with them.

use super::{container::ContainerEndpoint, instance::InstanceMetadata};
use crate::cloud::{
    CloudError,
    aws::{
        client::AwsClient,
        credential_types::{Credentials, RoleToAssume, WebIdentity},
        sts,
    },
};

/// A source of credentials.
#[derive(Debug, Clone)]
pub(in crate::cloud::aws) struct CredentialProvider {
    pub(super) base: BaseProvider,
    /// The roles to assume, one after the other, starting with the base credentials.
    pub(super) roles: Vec<RoleToAssume>,
    /// For messages, such as ``the profile `family` ``.
    pub(in crate::cloud::aws) description: String,
}

/// The source of the credentials that come before any role.
#[derive(Debug, Clone)]
pub(super) enum BaseProvider {
    Keys(Credentials),
    WebIdentity(WebIdentity),
    Container(ContainerEndpoint),
    Instance,
}

impl CredentialProvider {
    /// A provider without roles.
    pub(super) fn new(base: BaseProvider, description: &str) -> Self {
        Self { base, roles: Vec::new(), description: description.to_owned() }
    }

    /// Fetches credentials.
    pub(in crate::cloud::aws) async fn fetch(&self, client: &AwsClient) -> Result<Credentials, CloudError> {
        let mut credentials = match &self.base {
            BaseProvider::Keys(keys) => keys.clone(),
            BaseProvider::WebIdentity(identity) => sts::assume_with_web_identity(client, identity).await?,
            BaseProvider::Container(container) => container.credentials(&client.http).await?,
            BaseProvider::Instance => InstanceMetadata::of(client)?.credentials().await?,
        };
        for role in &self.roles {
            credentials = sts::assume(client, &credentials, role).await?;
        }
        Ok(credentials)
    }

    /// Whether the node is an EC2 instance. Its metadata service knows the region.
    pub(in crate::cloud::aws) fn is_instance(&self) -> bool {
        matches!(self.base, BaseProvider::Instance)
    }

    /// Whether another fetch can return other credentials.
    pub(in crate::cloud::aws) fn is_renewable(&self) -> bool {
        !matches!(self.base, BaseProvider::Keys(_)) || !self.roles.is_empty()
    }
}
