//! The partial work of a killed step, and its removal.

use std::path::{Path, PathBuf};

use super::action::Action;
use crate::{
    certificate::Certificate,
    exec::kill_orphans,
    facts::AuthorityStore,
    fs::{FsError, remove, remove_partial_files_of, remove_tree},
    inventory::below,
};

/// The prefix of an item that stays; only a partial file beside it is removed.
const BESIDE: &str = "beside:";
/// The prefix of a temporary folder.
const FOLDER: &str = "folder:";

/// The items of a step. The files of certificates are removed, so that the next run makes the whole store again.
pub(super) fn items(action: &Action, root: &Path, certificates: &[Certificate]) -> Vec<String> {
    let path = |path: &Path| below(root, path).display().to_string();
    match action {
        Action::Add(add) => {
            let of_store = |store: &AuthorityStore| {
                let files = certificates.iter().map(|certificate| store.file(&certificate.fingerprint()));
                // Without the link, the program treats the certificate as new and calls its hooks again.
                let all = files.flat_map(|file| [store.link(&file), Some(file)]).flatten();
                all.chain(store.partial_bundle.map(PathBuf::from)).collect::<Vec<_>>()
            };
            add.store.iter().flat_map(of_store).map(|file| path(&file)).collect()
        }
        Action::Remove(removed) => {
            removed.store.partial_bundle.map(|bundle| path(Path::new(bundle))).into_iter().collect()
        }
        Action::Java(java) => {
            let beside = java.known.iter().map(|keystore| format!("{BESIDE}{}", path(keystore)));
            beside.chain([format!("{FOLDER}{}", java.scratch.display())]).collect()
        }
        Action::Certifi(certifi) => vec![format!("{BESIDE}{}", certifi.path.display())],
    }
}

/// Ends the programs of a killed step, and removes its partial work.
pub(super) fn clean_up(items: &[String]) -> Result<(), FsError> {
    let folders: Vec<&str> = items.iter().filter_map(|item| item.strip_prefix(FOLDER)).collect();
    kill_orphans(|args| {
        let is_update = args.iter().any(|arg| arg.ends_with("/update-ca-certificates"))
            && args.iter().any(|arg| arg == "--hooksdir");
        is_update || args.iter().any(|arg| folders.iter().any(|folder| Path::new(arg).starts_with(folder)))
    });
    for item in items {
        if let Some(file) = item.strip_prefix(BESIDE) {
            remove_partial_files_of(Path::new(file))?;
        } else if let Some(folder) = item.strip_prefix(FOLDER) {
            remove_tree(Path::new(folder))?;
        } else {
            remove_partial_files_of(Path::new(item))?;
            remove(Path::new(item))?;
        }
    }
    Ok(())
}
