//! The clouds: the identity of the node in each of them, and the calls that nodeagent needs. One folder for each cloud.
//!
//! A process connects to a cloud once, at its first use. Tokens are kept in memory only.

pub mod aws;
pub mod azure;
mod bucket;
mod client_environment;
pub mod databricks;
mod entra;
mod error;
mod metadata;
mod page_limit;

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
};

pub use bucket::open_bucket;
pub use client_environment::ClientEnvironment;
pub use error::{CloudError, CloudErrorKind};
pub use metadata::MetadataService;
pub use page_limit::PageLimit;
use tokio::sync::OnceCell;

use crate::http;

/// The connections to all clouds.
pub struct Clouds {
    /// The HTTP client.
    pub http: Arc<http::Client>,
    /// The configuration of the official clients.
    pub environment: ClientEnvironment,
    databricks: OnceCell<Result<databricks::Workspace, CloudError>>,
    aws: OnceCell<Result<aws::Account, CloudError>>,
    azure: OnceCell<Result<azure::Tenant, CloudError>>,
    warnings: Mutex<BTreeSet<String>>,
}

impl Clouds {
    /// Clouds without a connection.
    pub fn new(http: Arc<http::Client>, environment: ClientEnvironment) -> Self {
        let warnings = Mutex::default();
        Self { http, environment, databricks: OnceCell::new(), aws: OnceCell::new(), azure: OnceCell::new(), warnings }
    }

    /// Records a warning about a call that succeeded. The same warning is recorded once.
    pub fn warn(&self, warning: String) {
        self.warnings.lock().unwrap_or_else(PoisonError::into_inner).insert(warning);
    }

    /// Returns the warnings since the last call, sorted.
    pub fn take_warnings(&self) -> Vec<String> {
        std::mem::take(&mut *self.warnings.lock().unwrap_or_else(PoisonError::into_inner)).into_iter().collect()
    }

    /// The Databricks workspace.
    pub async fn databricks(&self) -> Result<&databricks::Workspace, CloudError> {
        let connect = || databricks::Workspace::connect(Arc::clone(&self.http), &self.environment);
        self.databricks.get_or_init(connect).await.as_ref().map_err(Clone::clone)
    }

    /// The AWS account.
    pub async fn aws(&self) -> Result<&aws::Account, CloudError> {
        let connect = || aws::Account::connect(Arc::clone(&self.http), &self.environment);
        self.aws.get_or_init(connect).await.as_ref().map_err(Clone::clone)
    }

    /// The Azure tenant.
    pub async fn azure(&self) -> Result<&azure::Tenant, CloudError> {
        let connect = || azure::Tenant::connect(Arc::clone(&self.http), &self.environment);
        self.azure.get_or_init(connect).await.as_ref().map_err(Clone::clone)
    }
}
