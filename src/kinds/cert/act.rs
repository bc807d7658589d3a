//! Implements the contract of kinds for `[cert]`: acting.

use std::path::{Path, PathBuf};

use super::{action::Action, certifi, checked::Cert, clean_up, java, os};
use crate::{
    certificate::Certificate,
    fs::FsError,
    inventory::Vault,
    kinds::{
        contract::{Acting, Interruption, LeftBehind, LoginFile},
        no_packages::locks_no_packages,
    },
    problem::Problem,
    profile::FileStore,
    steps::Context,
};

/// The certificates to add to the system's store, and the root of the node.
pub struct Prepared {
    certificates: Vec<Certificate>,
    root: PathBuf,
}

impl Acting for Cert {
    type Prepared = Prepared;

    fn word(_: &Action) -> &'static str {
        "cert"
    }

    fn title(action: &Action) -> String {
        action.title()
    }

    fn describe(action: &Action, _: &FileStore) -> Vec<String> {
        action.describe()
    }

    // Steps that wait for the certificates may resolve before: the run trusts them from its beginning.
    fn can_refuse(action: &Action) -> bool {
        matches!(action, Action::Add(_) | Action::Remove(_))
    }

    locks_no_packages!();

    fn login_file(_: &Action) -> LoginFile {
        LoginFile::None
    }

    async fn prepare(ctx: &Context, action: &Action) -> Result<Prepared, Problem> {
        let certificates = match action {
            Action::Add(add) => add.certificates.read().map_err(Problem::refusing)?,
            // Their files may be fetched by another step.
            Action::Remove(_) | Action::Java(_) | Action::Certifi(_) => Vec::new(),
        };
        Ok(Prepared { certificates, root: ctx.root.clone() })
    }

    async fn act(ctx: &Context, action: &Action, prepared: Prepared, vault: &Vault) -> Result<(), Problem> {
        match action {
            Action::Add(add) => os::add(ctx, add, &prepared.certificates).await,
            Action::Remove(removed) => os::remove(ctx, removed).await,
            Action::Java(java) => java::change(ctx, java, vault).await,
            Action::Certifi(certifi) => certifi::write(ctx, certifi),
        }
    }

    fn leaves_behind(action: &Action, prepared: &Prepared) -> LeftBehind {
        LeftBehind::items(clean_up::items(action, &prepared.root, &prepared.certificates))
    }

    fn clean_up(_: &Path, _: Interruption<'_>, items: &[String]) -> Result<Vec<String>, FsError> {
        clean_up::clean_up(items).map(|()| Vec::new())
    }
}
