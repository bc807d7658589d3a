//! The clouds a node may speak to: who it is there, and the few calls it needs. One folder a cloud.
//!
//! Nothing is asked before it is needed: each cloud is connected to once a process, at its first use. Tokens live in
//! memory only.

pub mod aws;
pub mod azure;
pub mod databricks;
mod error;
mod page_limit;

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

pub use error::{CloudError, CloudErrorKind};
pub use page_limit::PageLimit;
use tokio::sync::OnceCell;

use crate::{fs::read_bounded, http};

/// Reads a file that holds a token of an identity. No such token is larger than this.
fn read_token(path: &Path) -> io::Result<Vec<u8>> {
    const LARGEST: u64 = 1 << 20;
    read_bounded(path, LARGEST)
}

/// What the official clients look at to find out who they are.
#[derive(Clone, Default)]
pub struct ClientEnvironment {
    /// Variables of the environment. They may hold secrets: not to be shown.
    pub variables: BTreeMap<String, String>,
    /// The user's home, where configuration files are.
    pub home: Option<PathBuf>,
}

impl ClientEnvironment {
    /// A variable that is set to something.
    pub fn variable(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// A path as a person writes it: `~/` is the user's home. `None` for one in the home of somebody who has none.
    pub(crate) fn path(&self, text: &str) -> Option<PathBuf> {
        match text.strip_prefix("~/") {
            Some(rest) => Some(self.home.as_ref()?.join(rest)),
            None => Some(text.into()),
        }
    }
}

/// All clouds, each connected to at its first use.
pub struct Clouds {
    /// The door to the network.
    pub http: Arc<http::Client>,
    /// What tells who the node is.
    pub environment: ClientEnvironment,
    databricks: OnceCell<Result<databricks::Workspace, CloudError>>,
    aws: OnceCell<Result<aws::Account, CloudError>>,
    azure: OnceCell<Result<azure::Tenant, CloudError>>,
    warnings: Mutex<BTreeSet<String>>,
}

impl Clouds {
    /// Clouds that nobody has spoken to yet.
    pub fn new(http: Arc<http::Client>, environment: ClientEnvironment) -> Self {
        let warnings = Mutex::default();
        Self { http, environment, databricks: OnceCell::new(), aws: OnceCell::new(), azure: OnceCell::new(), warnings }
    }

    /// Notes what somebody should hear of although all went well. It is told once, however often it is met.
    pub fn warn(&self, warning: String) {
        self.warnings.lock().unwrap_or_else(PoisonError::into_inner).insert(warning);
    }

    /// What was noted since the last time, in order.
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
