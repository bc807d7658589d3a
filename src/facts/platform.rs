//! The platform and the cloud of a node, from its files and environment variables. No metadata service is asked.

use std::{collections::BTreeMap, path::Path};

use super::Role;

/// The platform that started the node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Platform {
    /// Databricks.
    Databricks,
    /// Google Cloud Dataproc.
    Dataproc,
    /// Amazon EMR.
    Emr,
    /// Another one.
    Other,
}

/// The cloud that a node is a machine of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cloud {
    /// Amazon Web Services.
    Aws,
    /// Microsoft Azure.
    Azure,
    /// Google Cloud.
    Gcp,
}

/// Folders that every node of Dataproc has, below the root.
const DATAPROC: [&str; 2] = ["etc/google-dataproc", "usr/share/google/dataproc"];
/// Facts about an instance of EMR, as JSON
/// (<https://docs.aws.amazon.com/emr/latest/ManagementGuide/emr-plan-bootstrap.html>).
pub(super) const EMR_INSTANCE: &str = "mnt/var/lib/info/instance.json";
/// Names of the machine's manufacturer in DMI, and the cloud.
const VENDORS: [(&str, Cloud); 3] =
    [("Amazon EC2", Cloud::Aws), ("Microsoft Corporation", Cloud::Azure), ("Google", Cloud::Gcp)];
/// Azure's asset tag in DMI. Other machines with Hyper-V have another one.
const AZURE_ASSET_TAG: &str = "7783-7084-3265-9085-8269-3286-77";

impl Platform {
    /// The name in profiles.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Databricks => "databricks",
            Self::Dataproc => "dataproc",
            Self::Emr => "emr",
            Self::Other => "other",
        }
    }

    /// The platform of the node below a root.
    pub(super) fn of(root: &Path, env: &BTreeMap<String, String>) -> Self {
        let is_databricks = ["DB_CLUSTER_ID", "DATABRICKS_RUNTIME_VERSION"].iter().any(|name| env.contains_key(*name));
        if is_databricks || root.join("databricks").is_dir() {
            Self::Databricks
        } else if DATAPROC.iter().any(|folder| root.join(folder).is_dir()) {
            Self::Dataproc
        } else if root.join(EMR_INSTANCE).is_file() {
            Self::Emr
        } else {
            Self::Other
        }
    }

    /// The role of the node. Databricks sets a variable, EMR writes a file, and Dataproc gives a master a host name
    /// such as `x-m` or `x-m-0`, and a worker one such as `x-w-3` or `x-sw-ab1c`.
    pub(super) fn role(self, root: &Path, env: &BTreeMap<String, String>) -> Option<Role> {
        let set = env.get("DB_IS_DRIVER").filter(|value| !value.is_empty());
        if let Some(value) = set {
            return Some(role_if(value.eq_ignore_ascii_case("true")));
        }
        match self {
            Self::Dataproc => role_of_host_name(&super::machine::hostname(root)?),
            Self::Emr => {
                let text = std::fs::read_to_string(root.join(EMR_INSTANCE)).ok()?;
                let instance: serde_json::Value = serde_json::from_str(&text).ok()?;
                instance.get("isMaster")?.as_bool().map(role_if)
            }
            Self::Databricks | Self::Other => None,
        }
    }
}

impl Cloud {
    /// The name in profiles.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Aws => "aws",
            Self::Azure => "azure",
            Self::Gcp => "gcp",
        }
    }

    /// The cloud of the node below a root: from the platform, from `deploy.conf` of Databricks, or from the names of
    /// the machine's manufacturer.
    pub(super) fn of(root: &Path, platform: Platform, deploy_conf: Option<&str>) -> Option<Self> {
        match platform {
            Platform::Dataproc => return Some(Self::Gcp),
            Platform::Emr => return Some(Self::Aws),
            Platform::Databricks | Platform::Other => {}
        }
        if let Some(cloud) = deploy_conf.and_then(cloud_of_deploy_conf) {
            return Some(cloud);
        }
        let dmi = |name: &str| super::machine::line(root, &format!("sys/class/dmi/id/{name}"));
        let vendor = dmi("sys_vendor")?;
        let (_, cloud) = VENDORS.into_iter().find(|(name, _)| vendor == *name)?;
        let is_azure = || dmi("chassis_asset_tag").as_deref() == Some(AZURE_ASSET_TAG);
        (cloud != Self::Azure || is_azure()).then_some(cloud)
    }
}

fn role_if(is_driver: bool) -> Role {
    if is_driver { Role::Driver } else { Role::Worker }
}

fn role_of_host_name(name: &str) -> Option<Role> {
    let name = name.split('.').next()?;
    let numbered = name.rsplit_once('-')?;
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    match numbered {
        (_, "m") => Some(Role::Driver),
        (rest, number) if rest.ends_with("-m") && is_number(number) => Some(Role::Driver),
        (rest, _) if rest.ends_with("-w") || rest.ends_with("-sw") => Some(Role::Worker),
        _ => None,
    }
}

fn cloud_of_deploy_conf(text: &str) -> Option<Cloud> {
    let line = text.lines().find(|line| line.contains("cloudProvider"))?;
    let (_, value) = line.split_once(['=', ':'])?;
    match value.trim().trim_matches('"').to_ascii_lowercase().as_str() {
        "aws" => Some(Cloud::Aws),
        "azure" => Some(Cloud::Azure),
        "gcp" => Some(Cloud::Gcp),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fs::put;

    fn node(files: &[(&str, &str)]) -> (tempfile::TempDir, Platform) {
        let temp = tempfile::tempdir().expect("a temporary folder");
        for (name, text) in files {
            put(&temp.path().join(name), text);
        }
        let platform = Platform::of(temp.path(), &BTreeMap::new());
        (temp, platform)
    }

    #[test]
    fn each_platform_is_recognised_by_its_files() {
        assert_eq!(node(&[("databricks/DBR_VERSION", "15.4")]).1, Platform::Databricks);
        assert_eq!(node(&[("etc/google-dataproc/dataproc.properties", "")]).1, Platform::Dataproc);
        assert_eq!(node(&[(EMR_INSTANCE, "{}")]).1, Platform::Emr);
        assert_eq!(node(&[]).1, Platform::Other);
        let env = BTreeMap::from([("DB_CLUSTER_ID".to_owned(), "x".to_owned())]);
        assert_eq!(Platform::of(Path::new("/nowhere"), &env), Platform::Databricks);
    }

    #[test]
    fn the_role_is_known_on_every_platform() {
        let (emr, platform) = node(&[(EMR_INSTANCE, r#"{"isMaster": true, "instanceGroupId": "ig-1"}"#)]);
        assert_eq!(platform.role(emr.path(), &BTreeMap::new()), Some(Role::Driver));
        for (host, role) in [
            ("study-m", Some(Role::Driver)),
            ("study-m-1", Some(Role::Driver)),
            ("study-w-12.internal", Some(Role::Worker)),
            ("study-sw-x3v9", Some(Role::Worker)),
            ("laptop", None),
        ] {
            let files = [("etc/google-dataproc/x", ""), ("proc/sys/kernel/hostname", host)];
            let (dataproc, platform) = node(&files);
            assert_eq!(platform.role(dataproc.path(), &BTreeMap::new()), role, "{host}");
        }
    }

    #[test]
    fn the_cloud_comes_from_the_platform_or_the_manufacturer() {
        let cloud = |files: &[(&str, &str)]| {
            let (temp, platform) = node(files);
            Cloud::of(temp.path(), platform, None)
        };
        let vendor = |name| ("sys/class/dmi/id/sys_vendor", name);
        assert_eq!(cloud(&[vendor("Amazon EC2\n")]), Some(Cloud::Aws));
        assert_eq!(cloud(&[vendor("Google\n")]), Some(Cloud::Gcp));
        assert_eq!(cloud(&[vendor("Microsoft Corporation\n")]), None, "any machine with Hyper-V");
        let tag = ("sys/class/dmi/id/chassis_asset_tag", AZURE_ASSET_TAG);
        assert_eq!(cloud(&[vendor("Microsoft Corporation\n"), tag]), Some(Cloud::Azure));
        assert_eq!(cloud(&[(EMR_INSTANCE, "{}")]), Some(Cloud::Aws));
        assert_eq!(cloud_of_deploy_conf("  spark.databricks.cloudProvider = \"Azure\"\n"), Some(Cloud::Azure));
    }
}
