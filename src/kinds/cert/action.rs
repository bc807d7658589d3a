//! The actions of `[cert]`.

use std::{collections::BTreeSet, path::PathBuf};

use super::sources::Certificates;
use crate::{
    certificate::Fingerprint,
    facts::AuthorityStore,
    plan::{PlannedItem, title::listed},
    profile::SecretRef,
};

/// The action of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Adds certificates to the system's store.
    Add(AddToSystem),
    /// Takes certificates back from the system's store.
    Remove(RemoveFromSystem),
    /// Imports certificates into the keystores of Java, and takes others back.
    Java(ChangeKeystores),
    /// Writes certificates to certifi.
    Certifi(WriteCertifi),
}

/// Adds certificates to the system's store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddToSystem {
    /// The name of the profile.
    pub profile: String,
    /// The names of the files.
    pub names: Vec<String>,
    /// The certificates.
    pub certificates: Certificates,
    /// The store. `None` if the files are only fetched for other stores.
    pub store: Option<AuthorityStore>,
}

/// Takes certificates back from the system's store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoveFromSystem {
    /// The store.
    pub store: AuthorityStore,
    /// The files with the certificates.
    pub items: Vec<PlannedItem>,
}

/// Imports certificates into the keystores of Java, and takes others back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangeKeystores {
    /// The name of the profile.
    pub profile: String,
    /// The certificates that the profile wants there.
    pub certificates: Certificates,
    /// The keystores that differ, as far as they are known.
    pub known: Vec<PathBuf>,
    /// The certificates of earlier runs that the profile no longer names.
    pub removed: BTreeSet<Fingerprint>,
    /// The home of Java in the environment of nodeagent.
    pub java_home: Option<PathBuf>,
    /// The password of the keystores. `None` for the usual one.
    pub password: Option<SecretRef>,
    /// The folder for copies of keystores, in the cache of the agent.
    pub scratch: PathBuf,
    /// Whether the profile names this store.
    pub is_demanded: bool,
}

/// Writes certificates to certifi.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WriteCertifi {
    /// The name of the profile.
    pub profile: String,
    /// The file of certifi, as a path of the node.
    pub file: PathBuf,
    /// The same path below the root.
    pub path: PathBuf,
    /// The certificates.
    pub certificates: Certificates,
    /// Whether the file has them now, but the packages that this run installs may replace it.
    pub is_ready: bool,
    /// Whether the profile names this store.
    pub is_demanded: bool,
}

impl Action {
    /// The work in one line.
    pub(super) fn title(&self) -> String {
        match self {
            Self::Add(AddToSystem { names, store: Some(_), .. }) => format!("trust {}", listed(names.iter().cloned())),
            Self::Add(AddToSystem { names, store: None, .. }) => format!("fetch {}", listed(names.iter().cloned())),
            Self::Remove(removed) => {
                let names = removed.items.iter().map(|item| crate::plan::title::file_name(&item.file));
                format!("remove {} from the system's certificates", listed(names))
            }
            Self::Java(java) if java.known.is_empty() => {
                "put the certificates into the Java keystores that changed".to_owned()
            }
            Self::Java(java) => {
                let verb =
                    if java.certificates.is_empty() { "remove certificates from" } else { "put certificates into" };
                format!("{verb} {}", listed(java.known.iter().map(|path| path.display().to_string())))
            }
            Self::Certifi(WriteCertifi { file, is_ready: true, .. }) => {
                format!("put the certificates into {} if it changed", file.display())
            }
            Self::Certifi(certifi) => format!("put certificates into {}", certifi.file.display()),
        }
    }

    /// The certificates and the commands, one line each.
    pub(super) fn describe(&self) -> Vec<String> {
        match self {
            Self::Add(add) => {
                let program = add.store.map(|store| store.update.join(" "));
                add.certificates.describe().chain(program).collect()
            }
            Self::Remove(removed) => {
                let files = removed.items.iter().map(|item| format!("remove {}", item.file.display()));
                let reason = "the profile no longer names them".to_owned();
                std::iter::once(reason).chain(files).chain([removed.store.update_after_removal.join(" ")]).collect()
            }
            Self::Java(java) => {
                let removed = java.removed.iter().map(|print| format!("remove the certificate with SHA-256 {print}"));
                java.certificates
                    .describe()
                    .chain(removed)
                    .chain(["keytool, on a copy of the keystore".to_owned()])
                    .collect()
            }
            Self::Certifi(certifi) => certifi.certificates.describe().collect(),
        }
    }
}
