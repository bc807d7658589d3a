//! The versions of Spark and Scala, from the files of the Spark installation.

use std::path::{Path, PathBuf};

use regex_lite::Regex;

/// The folders of Spark, below the root: Databricks, Dataproc and EMR, others.
const HOMES: [&str; 3] = ["databricks/spark", "usr/lib/spark", "opt/spark"];
/// Folders with the jars of Spark, below the root, beside `jars` of its own folder.
const JARS: &str = "databricks/jars";

/// The Spark installation of a node.
pub(super) struct Spark {
    root: PathBuf,
    home: PathBuf,
}

impl Spark {
    /// The first installation below the root. `named` is the value of `SPARK_HOME`.
    pub(super) fn find(root: &Path, named: Option<&str>) -> Option<Self> {
        let named = named.map(|path| root.join(path.trim_start_matches('/')));
        let mut homes = named.into_iter().chain(HOMES.iter().map(|home| root.join(home)));
        homes.find(|home| home.is_dir()).map(|home| Self { root: root.to_owned(), home })
    }

    /// The version, such as `3.5.0`: from the file `VERSION` or `RELEASE`, else from the name of the core's jar.
    pub(super) fn version(&self) -> Option<String> {
        let file = |name: &str| std::fs::read_to_string(self.home.join(name)).ok();
        let version = file("VERSION").or_else(|| file("RELEASE")).and_then(|text| first(r"(\d+\.\d+\.\d+)", &text));
        version.or_else(|| self.jar(r"^spark-core_\d[\d.]*-(\d+\.\d+\.\d+)"))
    }

    /// The version of Scala, such as `2.12`: from the names of jars.
    pub(super) fn scala(&self) -> Option<String> {
        self.jar(r"(?:^|--)spark-core_(2\.\d+)").or_else(|| self.jar(r"scala-library(?:_|-)(2\.\d+)"))
    }

    /// The first group of a pattern in the name of a jar.
    fn jar(&self, pattern: &str) -> Option<String> {
        let pattern = Regex::new(pattern).expect("the pattern is fixed");
        let folders = [self.home.join("jars"), self.root.join(JARS)];
        let entries = folders.iter().filter_map(|folder| std::fs::read_dir(folder).ok()).flatten();
        let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        names.filter_map(|name| Some(pattern.captures(&name)?.get(1)?.as_str().to_owned())).min()
    }
}

fn first(pattern: &str, text: &str) -> Option<String> {
    let pattern = Regex::new(pattern).expect("the pattern is fixed");
    Some(pattern.captures(text)?.get(1)?.as_str().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fs::put;

    #[test]
    fn versions_come_from_the_release_or_from_the_names_of_jars() {
        let temp = tempfile::tempdir().expect("a temporary folder");
        assert!(Spark::find(temp.path(), None).is_none());
        put(&temp.path().join("usr/lib/spark/jars/spark-core_2.12-3.5.1-amzn-0.jar"), "");
        let spark = Spark::find(temp.path(), Some("/nowhere")).expect("it is there");
        assert_eq!((spark.version().as_deref(), spark.scala().as_deref()), (Some("3.5.1"), Some("2.12")));
        put(&temp.path().join("databricks/spark/RELEASE"), "Spark 4.0.0 built for Hadoop 3.4.1\n");
        put(
            &temp.path().join("databricks/jars/----x--maven-trees--org.scala-lang--scala-library_2.13--2.13.16.jar"),
            "",
        );
        let spark = Spark::find(temp.path(), None).expect("it is there");
        assert_eq!((spark.version().as_deref(), spark.scala().as_deref()), (Some("4.0.0"), Some("2.13")));
    }
}
