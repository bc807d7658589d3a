//! The metadata of the instance, for variables of a profile.

use super::Env;
use crate::{
    cloud::MetadataService,
    facts::{Cloud, NodeFacts},
    profile::Metadata,
};

/// Asks the metadata service of the node's cloud.
pub(super) struct NodeMetadata<'a> {
    pub(super) env: &'a Env,
    pub(super) facts: &'a NodeFacts,
}

impl Metadata for NodeMetadata<'_> {
    fn value(&self, key: &str) -> Result<Option<String>, String> {
        let service = match self.facts.cloud() {
            Some(Cloud::Aws) => MetadataService::Aws,
            Some(Cloud::Azure) => MetadataService::Azure,
            Some(Cloud::Gcp) => MetadataService::Gcp,
            None => return Err("the cloud of this node is not known".to_owned()),
        };
        let asked = self.env.block_on(self.env.clouds().metadata(service, key));
        match asked {
            Ok(answer) => answer.map_err(|error| error.to_string()),
            Err(_) => Err("the tokio runtime could not be started".to_owned()),
        }
    }
}
