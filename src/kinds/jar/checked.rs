//! `[jar]` as checked.

use std::path::PathBuf;

use url::Url;

use crate::profile::{AssetRef, Entry};

/// Jars on the class path of Spark.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Jar {
    /// The jars.
    pub files: Vec<Entry<JarFile>>,
    /// The folders of the class path. Empty for that of the platform.
    pub to: Vec<Entry<PathBuf>>,
    /// Maven repositories. Empty for Maven Central.
    pub repositories: Vec<Entry<Url>>,
}

/// A jar.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JarFile {
    /// The file. For a jar of Maven, its addresses in the repositories, which are known after the profile is merged.
    pub asset: AssetRef,
    /// The coordinates, if the jar comes from a Maven repository.
    pub maven: Option<Coordinates>,
    /// The file name on the node, if it is not that of the asset.
    pub file_name: Option<String>,
    /// A glob of jars in the same folder that the jar replaces.
    pub replaces: Option<String>,
}

/// The coordinates of a jar in a Maven repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Coordinates {
    /// Such as `com.nvidia`.
    pub group: String,
    /// Such as `rapids-4-spark_2.12`.
    pub artifact: String,
    /// Such as `25.10.0`.
    pub version: String,
    /// Such as `cuda12`.
    pub classifier: Option<String>,
}

impl JarFile {
    /// The file name on the node.
    pub fn name(&self) -> &str {
        self.file_name.as_deref().unwrap_or_else(|| self.asset.file_name())
    }

    /// The identity of the entry under `extends`: the path, the address, or `group:artifact`.
    pub(super) fn identity(&self) -> String {
        match &self.maven {
            Some(coordinates) => format!("{}:{}", coordinates.group, coordinates.artifact),
            None => self.asset.path.clone(),
        }
    }

    /// The entry for messages.
    pub(super) fn label(&self) -> String {
        self.maven.as_ref().map_or_else(|| self.asset.path.clone(), ToString::to_string)
    }

    /// Whether the path is a glob.
    pub(super) fn is_glob(&self) -> bool {
        self.maven.is_none() && self.asset.is_glob()
    }
}

impl Coordinates {
    /// Parses `group:artifact:version[:classifier]`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let is_part = |part: &str| {
            let is_plain = part.chars().all(|c| c.is_ascii_alphanumeric() || "._-+".contains(c));
            is_plain && part.starts_with(|c: char| c.is_ascii_alphanumeric()) && !part.contains("..")
        };
        let parts: Vec<&str> = text.split(':').collect();
        let (group, artifact, version, classifier) = match parts[..] {
            [group, artifact, version] => (group, artifact, version, None),
            [group, artifact, version, classifier] => (group, artifact, version, Some(classifier)),
            _ => return None,
        };
        parts.iter().all(|part| is_part(part)).then(|| Self {
            group: group.to_owned(),
            artifact: artifact.to_owned(),
            version: version.to_owned(),
            classifier: classifier.map(str::to_owned),
        })
    }

    /// The path of the jar in a repository
    /// (<https://maven.apache.org/repository/layout.html>).
    pub(super) fn path(&self) -> String {
        let Self { group, artifact, version, classifier } = self;
        let classifier = classifier.as_ref().map(|word| format!("-{word}")).unwrap_or_default();
        format!("{}/{artifact}/{version}/{artifact}-{version}{classifier}.jar", group.replace('.', "/"))
    }

    /// Whether the version is a moving one.
    pub(super) fn is_snapshot(&self) -> bool {
        self.version.ends_with("SNAPSHOT")
    }
}

impl std::fmt::Display for Coordinates {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { group, artifact, version, classifier } = self;
        write!(f, "{group}:{artifact}:{version}")?;
        classifier.as_ref().map_or(Ok(()), |word| write!(f, ":{word}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn coordinates_name_a_path_in_a_repository() {
        let path = |text: &str| Coordinates::parse(text).map(|coordinates| coordinates.path());
        let plain = "ml/dmlc/xgboost4j-gpu_2.12/1.7.1/xgboost4j-gpu_2.12-1.7.1.jar";
        assert_eq!(path("ml.dmlc:xgboost4j-gpu_2.12:1.7.1").as_deref(), Some(plain));
        let classified = "com/nvidia/rapids/25.10.0/rapids-25.10.0-cuda12.jar";
        assert_eq!(path("com.nvidia:rapids:25.10.0:cuda12").as_deref(), Some(classified));
        for text in ["com.nvidia", "a:b", "a:b:c:d:e", "a:../b:1", "a::1", "a:b:-1", "a/b:c:1"] {
            assert_eq!(Coordinates::parse(text), None, "{text}");
        }
    }
}
