//! The stores of the node, read from their files. No program is started.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

use super::{
    certifi::{self, CertifiLook},
    checked::{Cert, Store},
    java::{self, Keystore},
    os::OsLook,
};
use crate::{
    certificate::Fingerprint,
    facts::AuthorityStore,
    kinds::contract::LookAt,
    state::{Item, Receipt},
};

/// The stores of the node.
#[derive(Debug, Default)]
pub struct Look {
    /// The system's store. `None` if the node has none.
    pub(super) os: Option<OsLook>,
    /// The keystores of Java.
    pub(super) keystores: Vec<Keystore>,
    /// The home of Java in the environment of nodeagent.
    pub(super) java_home: Option<PathBuf>,
    /// certifi of the environment of `[pip]`. `None` if there is no environment.
    pub(super) certifi: Option<CertifiLook>,
    /// The certificates that earlier runs of the profile put into the system's store, by their files.
    pub(super) in_os: BTreeMap<PathBuf, Item>,
    /// The certificates that earlier runs of the profile put into keystores.
    pub(super) in_java: BTreeMap<PathBuf, BTreeSet<Fingerprint>>,
}

impl Look {
    pub(super) fn read(cert: &Cert, at: &LookAt<'_>) -> Self {
        let in_java = at.receipt.keystore_certificates(at.profile);
        let store = AuthorityStore::of(at.root);
        let in_os = store.map(|store| in_os(&store, at.receipt, at.profile)).unwrap_or_default();
        let java_home = at.facts.env.get("JAVA_HOME").filter(|home| home.starts_with('/')).map(PathBuf::from);
        Self {
            os: store
                .filter(|_| cert.goes_to(Store::Os) || !in_os.is_empty())
                .map(|store| OsLook::read(store, at.root)),
            keystores: if cert.goes_to(Store::Java) || !in_java.is_empty() {
                java::keystores(at.root, java_home.as_deref())
            } else {
                Vec::new()
            },
            certifi: cert
                .goes_to(Store::Python)
                .then(|| certifi::look(at.root, &cert.interpreter, at.profile))
                .flatten(),
            java_home,
            in_os,
            in_java,
        }
    }
}

fn in_os(store: &AuthorityStore, receipt: &Receipt, profile: &str) -> BTreeMap<PathBuf, Item> {
    let items = receipt.items.get(profile).into_iter().flatten().filter(|(path, _)| store.is_own(path));
    items.filter_map(|(path, parts)| Some((path.clone(), parts.values().next()?.clone()))).collect()
}
