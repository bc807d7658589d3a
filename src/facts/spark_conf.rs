//! The folder of Spark's configuration.

use std::path::{Path, PathBuf};

use super::Environment;

/// Spark of the Databricks runtime.
const DATABRICKS: &str = "/databricks/spark";
/// The folders of Dataproc and EMR, and those of usual installations.
const FOLDERS: [&str; 4] = ["/etc/spark/conf", "/usr/lib/spark/conf", "/opt/spark/conf", "/opt/bitnami/spark/conf"];

/// The folder of Spark's configuration, as a path of the node: that of the Databricks runtime, else that of
/// `SPARK_CONF_DIR` or `SPARK_HOME`, else a usual one. `None` if the node has no Spark.
pub fn folder(root: &Path, env: &Environment) -> Option<PathBuf> {
    let is_folder = |path: &Path| root.join(path.strip_prefix("/").unwrap_or(path)).is_dir();
    if is_folder(Path::new(DATABRICKS)) {
        return Some(Path::new(DATABRICKS).join("conf"));
    }
    let set = |name: &str| env.get(name).filter(|value| value.starts_with('/')).map(PathBuf::from);
    let named = [set("SPARK_CONF_DIR"), set("SPARK_HOME").map(|home| home.join("conf"))].into_iter().flatten();
    named.chain(FOLDERS.map(PathBuf::from)).find(|folder| is_folder(folder))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::facts::NodeFacts;

    #[test]
    fn the_runtime_precedes_variables_and_variables_precede_usual_folders() {
        let temp = tempfile::tempdir().expect("a temporary folder");
        let root = temp.path();
        let found = |env: &[(&str, &str)]| {
            let env = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
            folder(root, &NodeFacts::gather(root, env.collect::<BTreeMap<_, _>>()).env)
        };
        assert_eq!(found(&[("SPARK_HOME", "/opt/mine")]), None, "the folder does not exist");
        for folder in ["etc/spark/conf", "opt/mine/conf"] {
            crate::fs::create_dirs(&root.join(folder), 0o755).expect("created");
        }
        assert_eq!(found(&[]), Some("/etc/spark/conf".into()));
        assert_eq!(found(&[("SPARK_HOME", "/opt/mine")]), Some("/opt/mine/conf".into()));
        crate::fs::create_dirs(&root.join("databricks/spark"), 0o755).expect("created");
        assert_eq!(found(&[("SPARK_HOME", "/opt/mine")]), Some("/databricks/spark/conf".into()));
    }
}
