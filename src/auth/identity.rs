//! The identity of the node: with each identity provider, by its cluster, and as a local user.

use std::{collections::BTreeSet, path::Path};

use nix::unistd::Uid;
use serde::Serialize;

use super::{
    identity_provider::IdentityProvider,
    principal::{Principal, caller_principal},
    wildcard::matches_by_part,
};
use crate::{
    cloud::{CloudError, CloudErrorKind, Clouds, aws::CallerIdentity, azure::AzurePrincipal, databricks::CurrentUser},
    facts::{NodeFacts, users::Users},
};

/// The identity of the node. A provider that is not configured has no identity. `unknown` contains the providers that
/// failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Identity {
    /// The user of the Databricks workspace.
    pub databricks: Option<CurrentUser>,
    /// The caller in the AWS account.
    pub aws: Option<CallerIdentity>,
    /// The principal of the Azure tenant.
    pub azure: Option<AzurePrincipal>,
    /// The business unit, from the name of the cluster.
    pub cluster_unit: Option<String>,
    /// The environment, from the name of the cluster.
    pub cluster_environment: Option<String>,
    /// The local user.
    pub local: LocalUser,
    /// The providers that are configured and failed.
    #[serde(skip)]
    pub unknown: Vec<(IdentityProvider, CloudError)>,
    /// The providers that were asked.
    #[serde(skip)]
    pub(super) queried: BTreeSet<IdentityProvider>,
}

/// A local user of the node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct LocalUser {
    /// The name.
    pub name: String,
    /// The user id.
    pub uid: u32,
}

impl Identity {
    /// The identity without asking an identity provider.
    pub fn of_node(facts: &NodeFacts, root: &Path) -> Self {
        let uid = Uid::effective().as_raw();
        let users = Users::read(root);
        // A user id without a name is shown as a number.
        let name = users.name_of(uid).map_or_else(|| uid.to_string(), str::to_owned);
        Self {
            databricks: None,
            aws: None,
            azure: None,
            cluster_unit: facts.business_unit.clone(),
            cluster_environment: facts.environment.clone(),
            local: LocalUser { name, uid },
            unknown: Vec::new(),
            queried: BTreeSet::new(),
        }
    }

    /// The identity with these providers, which are asked concurrently.
    pub async fn resolve(clouds: &Clouds, facts: &NodeFacts, root: &Path, needed: &BTreeSet<IdentityProvider>) -> Self {
        let mut identity = Self::of_node(facts, root);
        identity.ask(clouds, needed).await;
        identity
    }

    /// Asks the providers that were not asked before, concurrently.
    pub async fn ask(&mut self, clouds: &Clouds, needed: &BTreeSet<IdentityProvider>) {
        let asks = |cloud: IdentityProvider| needed.contains(&cloud) && !self.queried.contains(&cloud);
        let (databricks, aws, azure) =
            (asks(IdentityProvider::Databricks), asks(IdentityProvider::Aws), asks(IdentityProvider::Azure));
        let (me, caller, principal) = tokio::join!(
            async { if databricks { Some(clouds.databricks().await?.me().await).transpose() } else { Ok(None) } },
            async { if aws { Some(clouds.aws().await?.caller().await).transpose() } else { Ok(None) } },
            async { if azure { Some(clouds.azure().await?.principal().await).transpose() } else { Ok(None) } },
        );
        self.databricks = self.known(IdentityProvider::Databricks, me).or(self.databricks.take());
        self.aws = self.known(IdentityProvider::Aws, caller).or(self.aws.take());
        self.azure = self.known(IdentityProvider::Azure, principal).or(self.azure.take());
        self.queried.extend(needed);
    }

    fn known<T>(&mut self, cloud: IdentityProvider, answer: Result<Option<T>, CloudError>) -> Option<T> {
        match answer {
            Ok(identity) => identity,
            Err(error) if error.kind == CloudErrorKind::NotConfigured => None,
            Err(error) => {
                self.unknown.push((cloud, error));
                None
            }
        }
    }

    /// Whether a provider was asked and no identity is configured for it.
    pub(super) fn is_not_configured(&self, cloud: IdentityProvider) -> bool {
        let has_identity = match cloud {
            IdentityProvider::Databricks => self.databricks.is_some(),
            IdentityProvider::Aws => self.aws.is_some(),
            IdentityProvider::Azure => self.azure.is_some(),
        };
        self.queried.contains(&cloud) && !has_identity && self.unknown.iter().all(|(unknown, _)| *unknown != cloud)
    }

    /// All names of the identity as in access files, without the groups.
    pub fn names(&self) -> Vec<String> {
        let me = self.databricks.as_ref().map(|me| {
            let name = me.user_name.clone();
            if me.service_principal { Principal::ServicePrincipal(name) } else { Principal::User(name) }
        });
        let aws = self.aws.as_ref().map(|caller| Principal::Aws {
            partition: caller.partition.clone(),
            account: caller.account.clone(),
            principal: caller_principal(caller),
        });
        let azure = self.azure.as_ref().map(|principal| Principal::Azure(principal.object_id.clone()));
        let cluster = self
            .cluster_unit
            .clone()
            .map(|unit| Principal::Cluster { unit, environment: self.cluster_environment.clone() });
        let local = Some(Principal::Local(self.local.name.clone()));
        [me, aws, azure, cluster, local].into_iter().flatten().map(|who| who.to_string()).collect()
    }

    /// The groups in the Databricks workspace.
    pub fn groups(&self) -> &[String] {
        self.databricks.as_ref().map_or(&[], |me| &me.groups)
    }

    /// Whether a principal of an access file matches this self.
    pub fn matches(&self, principal: &Principal) -> bool {
        let user = self.databricks.as_ref();
        match principal {
            Principal::Group(pattern) => {
                user.is_some_and(|user| user.groups.iter().any(|group| matches_by_part(pattern, group)))
            }
            Principal::ServicePrincipal(id) => {
                user.is_some_and(|user| user.service_principal && user.user_name.eq_ignore_ascii_case(id))
            }
            Principal::User(name) => {
                user.is_some_and(|user| !user.service_principal && user.user_name.eq_ignore_ascii_case(name))
            }
            Principal::Aws { partition, account, principal: name } => self.aws.as_ref().is_some_and(|caller| {
                caller.partition == *partition && caller.account == *account && caller_principal(caller) == *name
            }),
            Principal::Azure(id) => self.azure.as_ref().is_some_and(|azure| azure.object_id.eq_ignore_ascii_case(id)),
            Principal::Cluster { unit, environment } => {
                let is = |known: &Option<String>, wanted: &str| {
                    known.as_deref().is_some_and(|known| known.eq_ignore_ascii_case(wanted))
                };
                is(&self.cluster_unit, unit)
                    && environment.as_ref().is_none_or(|environment| is(&self.cluster_environment, environment))
            }
            Principal::Local(name) => self.local.name == *name,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::fixtures;

    fn matches(text: &str, identity: &Identity) -> bool {
        let principal = Principal::parse(text).unwrap_or_else(|error| panic!("{text}: {error:?}"));
        assert_eq!(principal.to_string(), text, "the text form is unchanged");
        identity.matches(&principal)
    }

    #[test]
    fn every_principal_matches_its_own_identity_only() {
        let identity = fixtures::full_identity();
        for (own, other) in [
            ("group:LawFirms-Prod-Databricks-Family-Analyst", "group:LawFirms-Dev-Databricks-Family-Analyst"),
            ("group:LawFirms-*-Databricks-Family-*", "group:LawFirms-*-Databricks-Criminal-*"),
            ("group:users", "group:admins"),
            ("user:ann@lawfirms.example", "user:bob@lawfirms.example"),
            ("aws:123456789012:role/family-node", "aws:123456789012:role/criminal-node"),
            ("aws:123456789012:role/family-node", "aws-cn:123456789012:role/family-node"),
            ("aws:123456789012:role/family-node", "aws:210987654321:role/family-node"),
            ("aws:123456789012:role/family-node", "aws:123456789012:user/family-node"),
            ("azure:5b1c8c5e-0000-4000-8000-000000000001", "azure:5b1c8c5e-0000-4000-8000-000000000002"),
            ("cluster:Family", "cluster:Criminal"),
            ("cluster:family", "cluster:Fam"),
            ("cluster:Family@Prod", "cluster:Family@Dev"),
            ("local:root", "local:analyst"),
        ] {
            assert!(matches(own, &identity), "{own}");
            assert!(!matches(other, &identity), "{other}");
            assert!(
                !matches(other, &fixtures::local_user())
                    && (own == "local:root" || !matches(own, &fixtures::local_user())),
                "{own}"
            );
        }
    }

    #[test]
    fn users_and_service_principals_are_distinguished() {
        let mut identity = fixtures::full_identity();
        assert!(!matches("service-principal:ann@lawfirms.example", &identity));
        let me = identity.databricks.as_mut().expect("known");
        (me.user_name, me.service_principal) = ("8d6f3a52-0000-4000-8000-000000000001".into(), true);
        assert!(
            matches("service-principal:8D6F3A52-0000-4000-8000-000000000001", &identity),
            "ids are compared without case"
        );
        assert!(!matches("user:8d6f3a52-0000-4000-8000-000000000001", &identity));
    }

    #[test]
    fn a_user_of_aws_matches_with_its_path() {
        let mut identity = fixtures::full_identity();
        let caller = identity.aws.as_mut().expect("known");
        (caller.role, caller.user) = (None, Some("people/ann".into()));
        assert!(matches("aws:123456789012:user/people/ann", &identity));
        assert!(!matches("aws:123456789012:user/ann", &identity));
    }

    #[test]
    fn without_a_unit_no_cluster_principal_matches() {
        assert!(!matches("cluster:Family", &fixtures::local_user()));
    }
}
