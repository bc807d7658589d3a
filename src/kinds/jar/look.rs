//! The jars of the class path folders, as they are on the node now.

use std::{
    collections::{BTreeMap, BTreeSet},
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use super::checked::Jar;
use crate::{
    digest::Digest,
    inventory::below,
    kinds::contract::LookAt,
    state::{JarRecord, Receipt},
};

/// The class path folders of platforms, in the order of preference.
const FOLDERS: [&str; 3] = ["/databricks/jars", "/usr/lib/spark/jars", "/opt/spark/jars"];

/// The class path folders of the profile.
#[derive(Debug)]
pub struct JarLook(pub(super) Vec<FolderLook>);

/// A class path folder.
#[derive(Debug)]
pub(super) struct FolderLook {
    /// Its absolute path on the node.
    pub(super) path: PathBuf,
    /// Whether it exists.
    pub(super) exists: bool,
    /// The names of its files.
    pub(super) names: BTreeSet<String>,
    /// The jars of the profile that are there.
    pub(super) jars: BTreeMap<String, FoundJar>,
}

/// A jar of the profile on the node.
#[derive(Debug)]
pub(super) struct FoundJar {
    /// Its digest. `None` if it cannot be read.
    pub(super) digest: Option<Digest>,
    /// The record of the last copy, if the file was not changed since.
    pub(super) record: Option<JarRecord>,
}

impl JarLook {
    /// Reads the folders below the root.
    pub(super) fn read(jar: &Jar, at: &LookAt<'_>) -> Self {
        if jar.files.is_empty() {
            return Self(Vec::new());
        }
        let named: Vec<PathBuf> = jar.to.iter().map(|folder| folder.value.clone()).collect();
        let usual = || FOLDERS.iter().find(|folder| below(at.root, Path::new(folder)).is_dir()).map(PathBuf::from);
        let folders = if named.is_empty() { usual().into_iter().collect() } else { named };
        let wanted: Vec<&str> = jar.files.iter().map(|entry| entry.value.name()).collect();
        Self(folders.into_iter().map(|path| FolderLook::read(path, &wanted, at)).collect())
    }
}

impl FolderLook {
    fn read(path: PathBuf, wanted: &[&str], at: &LookAt<'_>) -> Self {
        let folder = below(at.root, &path);
        let entries = std::fs::read_dir(&folder).into_iter().flatten().filter_map(Result::ok);
        let names: BTreeSet<String> = entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
        let there = wanted.iter().filter(|name| names.contains(**name));
        let jars = there.map(|name| ((*name).to_owned(), FoundJar::read(&path.join(name), at.root, at.receipt)));
        Self { exists: folder.is_dir(), jars: jars.collect(), names, path }
    }

    /// The jars that match a glob, without those that the profile puts there itself.
    pub(super) fn replaced(&self, glob: &str, own: &BTreeSet<&str>) -> Vec<String> {
        let Ok(pattern) = glob::Pattern::new(glob) else { return Vec::new() };
        self.names.iter().filter(|name| pattern.matches(name) && !own.contains(name.as_str())).cloned().collect()
    }
}

impl FoundJar {
    fn read(file: &Path, root: &Path, receipt: &Receipt) -> Self {
        let path = below(root, file);
        let stamp = stamp(&path);
        let record = receipt.jars.get(file).filter(|record| Some(&record.stamp) == stamp.as_ref()).cloned();
        let digest = match &record {
            Some(record) => record.sha256.parse().ok(),
            None => Digest::sha256_of_file(&path).ok(),
        };
        Self { digest, record }
    }
}

/// The identity of a file, which changes with its content. `None` if it is not a regular file.
pub(super) fn stamp(path: &Path) -> Option<String> {
    let found = path.symlink_metadata().ok().filter(std::fs::Metadata::is_file)?;
    Some(format!("{}:{}:{}.{:09}", found.ino(), found.size(), found.mtime(), found.mtime_nsec()))
}
