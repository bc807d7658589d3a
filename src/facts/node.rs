//! The facts for conditions and `${…}`.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    ops::Deref,
    path::{Path, PathBuf},
};

use serde::Serialize;

use super::{Cloud, ClusterName, Platform, Role, machine, os::Os};

/// The access mode of a cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum AccessMode {
    /// One user or group.
    Dedicated,
    /// Several isolated users.
    Standard,
    /// Several users without isolation.
    NoIsolation,
}

impl AccessMode {
    /// The name in profiles.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Dedicated => "dedicated",
            Self::Standard => "standard",
            Self::NoIsolation => "no-isolation",
        }
    }

    /// Parses the name of a mode, as the platform or a profile writes it.
    pub fn parse(word: &str) -> Option<Self> {
        match word.to_ascii_uppercase().replace('-', "_").as_str() {
            "DEDICATED" | "SINGLE_USER" | "DATA_SECURITY_MODE_DEDICATED" => Some(Self::Dedicated),
            "STANDARD" | "USER_ISOLATION" | "DATA_SECURITY_MODE_STANDARD" => Some(Self::Standard),
            "NO_ISOLATION" | "NONE" => Some(Self::NoIsolation),
            _ => None,
        }
    }
}

/// The environment variables of nodeagent. `Debug` does not show their values, because they may be secrets.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Environment(BTreeMap<String, String>);

impl Deref for Environment {
    type Target = BTreeMap<String, String>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Environment([{} variables])", self.0.len())
    }
}

/// The facts of a node. Unknown facts are `None`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct NodeFacts {
    /// Operating system.
    pub os: Os,
    /// `amd64` or `arm64`, else the name that Rust uses.
    pub arch: String,
    /// Runtime version, such as `14.3`.
    pub runtime: Option<String>,
    /// Role in the cluster.
    pub role: Option<Role>,
    /// The cluster's name from the platform.
    pub cluster_name: Option<String>,
    /// The parts of the cluster's name, if it follows the convention.
    pub cluster: Option<ClusterName>,
    /// The environment from the cluster's name or from the command line.
    pub environment: Option<String>,
    /// The mode from the cluster's name.
    pub mode: Option<String>,
    /// The business unit from the cluster's name.
    pub business_unit: Option<String>,
    /// Access mode of the cluster.
    pub access_mode: Option<AccessMode>,
    /// The platform that started the node.
    #[serde(skip)]
    pub platform: Platform,
    /// The environment variables. Not serialized, because they may contain secrets.
    #[serde(skip)]
    pub env: Environment,
    /// The hosts whose addresses need no encryption, from the settings of the node.
    #[serde(skip)]
    pub insecure_http: BTreeSet<String>,
    /// Whether a step waits until its files are on the disk, from the settings of the node.
    #[serde(skip)]
    pub waits_for_disk: bool,
    /// The root of the node's file system, for facts that are read when they are used.
    #[serde(skip)]
    pub root: PathBuf,
}

/// The files with the version of the runtime, if `DATABRICKS_RUNTIME_VERSION` is not set.
const RUNTIME_FILES: [&str; 2] = ["databricks/DBR_VERSION", "databricks/dbr-version"];
/// The configuration that a Databricks node was started with. The file is not documented, so it may be missing or
/// change.
const DEPLOY_CONF: &str = "databricks/common/conf/deploy.conf";

impl NodeFacts {
    /// Reads the facts of the node below a root, with the given environment variables.
    pub fn gather(root: &Path, env: BTreeMap<String, String>) -> Self {
        let text = |name: &str| std::fs::read_to_string(root.join(name)).ok();
        let set = |name: &str| env.get(name).filter(|value| !value.is_empty()).cloned();
        let cluster_name = set("DB_CLUSTER_NAME");
        let cluster = cluster_name.as_deref().and_then(ClusterName::parse);
        let runtime = set("DATABRICKS_RUNTIME_VERSION")
            .or_else(|| RUNTIME_FILES.iter().find_map(|file| text(file)).map(|text| text.trim().to_owned()))
            .or_else(|| cluster.as_ref().and_then(|cluster| cluster.runtime.clone()));
        let platform = Platform::of(root, &env);
        let role = platform.role(root, &env);
        let access_mode = set("NODEAGENT_ACCESS_MODE")
            .as_deref()
            .and_then(AccessMode::parse)
            .or_else(|| text(DEPLOY_CONF).as_deref().and_then(access_mode_of_deploy_conf));
        Self {
            os: text("etc/os-release")
                .or_else(|| text("usr/lib/os-release"))
                .as_deref()
                .map(Os::parse)
                .unwrap_or_default(),
            arch: debian_arch(std::env::consts::ARCH).to_owned(),
            runtime,
            role,
            environment: cluster.as_ref().map(|cluster| cluster.environment.clone()),
            mode: cluster.as_ref().map(|cluster| cluster.mode.clone()),
            business_unit: cluster.as_ref().map(|cluster| cluster.business_unit.clone()),
            cluster_name,
            cluster,
            access_mode,
            platform,
            env: Environment(env),
            insecure_http: BTreeSet::new(),
            waits_for_disk: false,
            root: root.to_owned(),
        }
    }

    /// The cloud that the node is a machine of.
    pub fn cloud(&self) -> Option<Cloud> {
        let deploy_conf = std::fs::read_to_string(self.root.join(DEPLOY_CONF)).ok();
        Cloud::of(&self.root, self.platform, deploy_conf.as_deref())
    }

    /// Whether the node has a graphics processor of NVIDIA.
    pub fn has_gpu(&self) -> bool {
        machine::has_gpu(&self.root)
    }
}

fn debian_arch(rust: &str) -> &str {
    match rust {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

fn access_mode_of_deploy_conf(text: &str) -> Option<AccessMode> {
    let line = text.lines().find(|line| line.contains("ataSecurityMode"))?;
    AccessMode::parse(line.rsplit('=').next()?.trim().trim_matches('"'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(env: &[(&str, &str)]) -> NodeFacts {
        let env = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        NodeFacts::gather(Path::new("/nowhere"), env)
    }

    #[test]
    fn role_and_cluster_come_from_variables_of_the_platform() {
        let facts = node(&[("DB_IS_DRIVER", "TRUE"), ("DB_CLUSTER_NAME", "Dev-Operational-Family-14.3-x-1")]);
        assert_eq!(facts.role, Some(Role::Driver));
        assert_eq!(facts.business_unit.as_deref(), Some("Family"));
        assert_eq!(facts.runtime.as_deref(), Some("14.3"), "the name's runtime is the last resort");
    }

    #[test]
    fn a_laptop_has_no_role() {
        assert_eq!(node(&[]).role, None);
        assert_eq!(node(&[("DB_IS_DRIVER", "FALSE")]).role, Some(Role::Worker));
    }

    #[test]
    fn the_access_mode_is_read_from_the_platforms_file() {
        let text =
            "databricks.common = {\n  spark.databricks.clusterUsageTags.clusterDataSecurityMode = \"USER_ISOLATION\"\n";
        assert_eq!(access_mode_of_deploy_conf(text), Some(AccessMode::Standard));
    }

    #[test]
    fn the_environment_is_never_serialized() {
        let facts = node(&[("TOKEN", "s3cret")]);
        assert!(!serde_json::to_string(&facts).expect("serializable").contains("s3cret"));
        assert!(!format!("{facts:?}").contains("s3cret"));
    }
}
