//! The action of `[jar]`: copies jars into the class path folders, then removes the jars that they replace.

use std::path::{Path, PathBuf};

use url::Url;

use crate::{
    digest::Digest,
    inventory::below,
    plan::title::{file_name, listed},
};

/// Puts jars into folders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JarInstall {
    /// The jars.
    pub jars: Vec<PlannedJar>,
    /// The name of the profile, for the receipt.
    pub profile: String,
    /// The root of the node.
    pub root: PathBuf,
}

/// A jar and its places.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedJar {
    /// The entry: its path, its address or its coordinates.
    pub label: String,
    /// The source of the jar.
    pub source: JarSource,
    /// The places that do not have it yet.
    pub places: Vec<Place>,
}

/// The source of a jar.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JarSource {
    /// A file that is on the node when the step acts.
    File(PathBuf),
    /// Maven repositories, whose checksum authenticates the jar.
    Maven {
        /// The address in each repository.
        urls: Vec<Url>,
        /// The place in the agent's cache.
        to: PathBuf,
    },
}

/// A place of a jar.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The path of the jar on the node.
    pub file: PathBuf,
    /// The jars in the same folder that it replaces, by their paths on the node.
    pub replaces: Vec<PathBuf>,
}

/// A jar that is ready to be copied.
#[derive(Debug)]
pub struct PreparedJar {
    /// The file.
    pub from: PathBuf,
    /// Its digest.
    pub sha256: Digest,
}

impl JarInstall {
    /// A path of the node below the root.
    pub(super) fn below(&self, file: &Path) -> PathBuf {
        below(&self.root, file)
    }

    /// All places.
    pub(super) fn places(&self) -> impl Iterator<Item = &Place> {
        self.jars.iter().flat_map(|jar| &jar.places)
    }

    /// The work in one line.
    pub(super) fn title(&self) -> String {
        let names = self.jars.iter().filter_map(|jar| jar.places.first()).map(|place| file_name(&place.file));
        format!("copy {}", listed(names))
    }

    /// The copies and removals, one line each.
    pub(super) fn describe(&self) -> Vec<String> {
        let lines = self.jars.iter().flat_map(|jar| {
            jar.places.iter().flat_map(|place| {
                let copy = format!("copy {} to {}", jar.label, place.file.display());
                let removals = place.replaces.iter().map(|old| format!("remove {}", old.display()));
                std::iter::once(copy).chain(removals).collect::<Vec<_>>()
            })
        });
        lines.collect()
    }
}
