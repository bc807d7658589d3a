//! Principal the node acts as, everywhere it may be somebody.

use std::{collections::BTreeSet, path::Path};

use nix::unistd::Uid;
use serde::Serialize;

use super::principal::{Principal, principal_of};
use crate::{
    cloud::{CloudError, CloudErrorKind, Clouds, aws::CallerIdentity, azure::AzurePrincipal, databricks::CurrentUser},
    facts::{NodeFacts, users::Users},
};

/// A cloud that may know who the node is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cloud {
    /// A Databricks workspace.
    Databricks,
    /// An AWS account.
    Aws,
    /// An Azure tenant.
    Azure,
}

impl Cloud {
    /// Every cloud.
    pub const ALL: [Self; 3] = [Self::Databricks, Self::Aws, Self::Azure];

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Databricks => "databricks",
            Self::Aws => "aws",
            Self::Azure => "azure",
        }
    }
}

/// Principal the node acts as. A cloud that is not configured knows nobody; one that could not be asked says why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Identity {
    /// In the Databricks workspace.
    pub databricks: Option<CurrentUser>,
    /// In AWS.
    pub aws: Option<CallerIdentity>,
    /// In Azure.
    pub azure: Option<AzurePrincipal>,
    /// The cluster's business unit, by its name.
    pub cluster_unit: Option<String>,
    /// The cluster's environment, by its name.
    pub cluster_environment: Option<String>,
    /// On the node itself.
    pub local: LocalUser,
    /// Clouds that are configured and could not be asked.
    #[serde(skip)]
    pub unknown: Vec<(Cloud, CloudError)>,
    /// Clouds that were asked.
    #[serde(skip)]
    pub(super) asked: BTreeSet<Cloud>,
}

/// A user of the node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct LocalUser {
    /// The name.
    pub name: String,
    /// The number.
    pub uid: u32,
}

impl Identity {
    /// Principal the node is by itself, before any cloud was asked.
    pub fn of_node(facts: &NodeFacts, root: &Path) -> Self {
        let uid = Uid::effective().as_raw();
        let users = Users::read(root);
        // A user whom nobody named is still somebody: by the number.
        let name = users.name_of(uid).map_or_else(|| uid.to_string(), str::to_owned);
        Self {
            databricks: None,
            aws: None,
            azure: None,
            cluster_unit: facts.business_unit.clone(),
            cluster_environment: facts.environment.clone(),
            local: LocalUser { name, uid },
            unknown: Vec::new(),
            asked: BTreeSet::new(),
        }
    }

    /// Principal the node is by itself and in these clouds, which are asked at the same time.
    pub async fn resolve(clouds: &Clouds, facts: &NodeFacts, root: &Path, needed: &BTreeSet<Cloud>) -> Self {
        let mut identity = Self::of_node(facts, root);
        identity.ask(clouds, needed).await;
        identity
    }

    /// Asks the clouds that were not asked before, all at the same time.
    pub async fn ask(&mut self, clouds: &Clouds, needed: &BTreeSet<Cloud>) {
        let asks = |cloud: Cloud| needed.contains(&cloud) && !self.asked.contains(&cloud);
        let (databricks, aws, azure) = (asks(Cloud::Databricks), asks(Cloud::Aws), asks(Cloud::Azure));
        let (me, caller, principal) = tokio::join!(
            async { if databricks { Some(clouds.databricks().await?.me().await).transpose() } else { Ok(None) } },
            async { if aws { Some(clouds.aws().await?.caller().await).transpose() } else { Ok(None) } },
            async { if azure { Some(clouds.azure().await?.principal().await).transpose() } else { Ok(None) } },
        );
        self.databricks = self.known(Cloud::Databricks, me).or(self.databricks.take());
        self.aws = self.known(Cloud::Aws, caller).or(self.aws.take());
        self.azure = self.known(Cloud::Azure, principal).or(self.azure.take());
        self.asked.extend(needed);
    }

    fn known<T>(&mut self, cloud: Cloud, answer: Result<Option<T>, CloudError>) -> Option<T> {
        match answer {
            Ok(somebody) => somebody,
            Err(error) if error.kind == CloudErrorKind::NotConfigured => None,
            Err(error) => {
                self.unknown.push((cloud, error));
                None
            }
        }
    }

    /// Whether a cloud was asked and has nobody to ask for: none is configured there.
    pub(super) fn is_nobody_in(&self, cloud: Cloud) -> bool {
        let is_somebody = match cloud {
            Cloud::Databricks => self.databricks.is_some(),
            Cloud::Aws => self.aws.is_some(),
            Cloud::Azure => self.azure.is_some(),
        };
        self.asked.contains(&cloud) && !is_somebody && self.unknown.iter().all(|(unknown, _)| *unknown != cloud)
    }

    /// Every name it has, as access files write it; groups are apart.
    pub fn names(&self) -> Vec<String> {
        let me = self.databricks.as_ref().map(|me| {
            let name = me.user_name.clone();
            if me.service_principal { Principal::ServicePrincipal(name) } else { Principal::User(name) }
        });
        let aws = self.aws.as_ref().map(|caller| Principal::Aws {
            partition: caller.partition.clone(),
            account: caller.account.clone(),
            principal: principal_of(caller),
        });
        let azure = self.azure.as_ref().map(|principal| Principal::Azure(principal.object_id.clone()));
        let cluster = self
            .cluster_unit
            .clone()
            .map(|unit| Principal::Cluster { unit, environment: self.cluster_environment.clone() });
        let local = Some(Principal::Local(self.local.name.clone()));
        [me, aws, azure, cluster, local].into_iter().flatten().map(|who| who.to_string()).collect()
    }

    /// Its groups in the workspace.
    pub fn groups(&self) -> &[String] {
        self.databricks.as_ref().map_or(&[], |me| &me.groups)
    }
}
