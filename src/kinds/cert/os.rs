//! The system's store: one file for each certificate, and the bundle that a program of the system makes of them.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use super::{
    action::{AddToSystem, RemoveFromSystem},
    fuse,
};
use crate::{
    certificate::{Certificate, Fingerprint, fingerprints_in},
    exec::Cmd,
    facts::AuthorityStore,
    fs::{self, Attributes},
    inventory::below,
    plan::PlannedItem,
    problem::Problem,
    state::{Item, Receipt},
    steps::{Context, forget_item, note_item, restore_item},
};

/// The log of the program, in the folder of logs of the run.
const LOG: &str = "cert.log";
/// Debian's hook that copies the certificates to a Java keystore. It removes a certificate only if its standard input
/// has a line `-PATH`.
const JAVA_HOOK: &str = "/etc/ca-certificates/update.d/jks-keystore";

/// The state of the system's store.
#[derive(Debug)]
pub(super) struct OsLook {
    pub(super) store: AuthorityStore,
    /// nodeagent's files, by their paths on the node.
    files: BTreeMap<PathBuf, BTreeSet<Fingerprint>>,
    /// The certificates that programs trust.
    bundle: BTreeSet<Fingerprint>,
}

impl OsLook {
    /// Reads the store below a root.
    pub(super) fn read(store: AuthorityStore, root: &Path) -> Self {
        let folder = Path::new(store.folder);
        let entries = std::fs::read_dir(below(root, folder)).into_iter().flatten().filter_map(Result::ok);
        let own = entries.map(|entry| folder.join(entry.file_name())).filter(|path| store.is_own(path));
        let fingerprints = |path: &Path| fingerprints_in(&std::fs::read(below(root, path)).unwrap_or_default());
        let files = own.map(|path| (path.clone(), fingerprints(&path))).collect();
        Self { store, files, bundle: fingerprints(Path::new(store.bundle)) }
    }

    /// Whether programs trust a certificate by nodeagent's file.
    pub(super) fn has(&self, fingerprint: &Fingerprint) -> bool {
        let file = self.files.get(&self.store.file(fingerprint));
        file.is_some_and(|found| found.len() == 1 && found.contains(fingerprint)) && self.bundle.contains(fingerprint)
    }
}

/// Adds certificates, and looks again.
pub(super) async fn add(ctx: &Context, action: &AddToSystem, certificates: &[Certificate]) -> Result<(), Problem> {
    let fetched = action.certificates.fetched();
    Receipt::update(&ctx.root, |receipt| receipt.fetched_certificates.extend(fetched))?;
    let Some(store) = action.store else { return Ok(()) };
    let before = OsLook::read(store, &ctx.root).bundle;
    let is_new = certificates.iter().any(|certificate| !before.contains(&certificate.fingerprint()));
    for certificate in certificates {
        let text = certificate.pem();
        let file = store.file(&certificate.fingerprint());
        let path = below(&ctx.root, &file);
        let found = fs::read(&path)?.filter(|found| found.bytes.as_deref() != Some(text.as_bytes()));
        let item = Item::of_text(text.as_bytes(), None);
        note_item(ctx, &PlannedItem { profile: action.profile.clone(), file, item }, None)?;
        if found.is_some() || !path.exists() {
            fs::replace(&path, text.as_bytes(), Attributes::mode(0o644))?;
        }
    }
    run(ctx, store.update).await?;
    let now = OsLook::read(store, &ctx.root);
    match certificates.iter().find(|certificate| !now.has(&certificate.fingerprint())) {
        None => {
            if is_new {
                fuse::restart(ctx, LOG).await;
            }
            Ok(())
        }
        Some(missing) => {
            let message = format!("`{}` does not contain the certificate `{}`", store.bundle, missing.subject());
            Err(Problem::new(message).hint(format!("the output of `{}` is in `{LOG}` of the run", store.update[0])))
        }
    }
}

/// Takes certificates back. Their records are removed last, so that a killed run is repeated.
pub(super) async fn remove(ctx: &Context, action: &RemoveFromSystem) -> Result<(), Problem> {
    for item in &action.items {
        restore_item(ctx, item)?;
    }
    run(ctx, action.store.update_after_removal).await?;
    let gone: Vec<&PlannedItem> = action.items.iter().filter(|item| !below(&ctx.root, &item.file).exists()).collect();
    if !gone.is_empty() && ctx.on_node(JAVA_HOOK).is_file() {
        let links = gone.iter().filter_map(|item| action.store.link(&item.file));
        let removed: Vec<String> = links.map(|link| format!("-{}\n", link.display())).collect();
        let cmd = Cmd::new(JAVA_HOOK).stdin(removed.concat()).log(ctx.logs.join(LOG));
        if let Err(error) = ctx.runner.run(&cmd).await.and_then(|done| done.ok(&cmd)) {
            ctx.progress.warn(format!("a Java keystore may still have a removed certificate: {error}"));
        }
    }
    for PlannedItem { profile, file, item } in &action.items {
        forget_item(ctx, profile, file, item)?;
    }
    Ok(())
}

async fn run(ctx: &Context, words: &[&str]) -> Result<(), Problem> {
    let cmd = Cmd::new(words[0]).args(words[1..].iter().copied()).log(ctx.logs.join(LOG));
    ctx.runner.run(&cmd).await.and_then(|done| done.ok(&cmd))?;
    Ok(())
}
