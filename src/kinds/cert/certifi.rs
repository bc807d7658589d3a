//! certifi of a Python environment: the certificates are a block at the end of its file.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use super::action::WriteCertifi;
use crate::{
    certificate::{Certificate, Fingerprint, fingerprints_in},
    facts::PythonEnv,
    fs::{self, Attributes},
    inventory::below,
    managed_block::{ManagedBlock, Position},
    plan::PlannedItem,
    problem::Problem,
    state::{Item, part_of_block},
    steps::{Context, note_item},
};

/// The state of certifi.
#[derive(Debug)]
pub(super) struct CertifiLook {
    /// Its file, as a path of the node.
    pub(super) file: PathBuf,
    /// Whether it exists.
    pub(super) exists: bool,
    /// The certificates in the block of the profile. `None` without a block.
    pub(super) certificates: Option<BTreeSet<Fingerprint>>,
    /// The name of the block in the receipt.
    pub(super) part: String,
}

/// Looks at certifi of an interpreter's environment. `None` without the environment.
pub(super) fn look(root: &Path, interpreter: &Path, profile: &str) -> Option<CertifiLook> {
    let (_, packages) = PythonEnv::locate(&below(root, interpreter))?;
    let path = packages.join("certifi/cacert.pem");
    let file = Path::new("/").join(path.strip_prefix(root).unwrap_or(&path));
    let block = block(profile);
    let bytes = std::fs::read(&path);
    let lines = bytes.as_ref().ok().and_then(|bytes| block.lines(bytes).ok().flatten());
    let certificates = lines.map(fingerprints_in);
    Some(CertifiLook { file, exists: bytes.is_ok(), certificates, part: part_of_block(block.marks()[0]) })
}

fn block(profile: &str) -> ManagedBlock {
    ManagedBlock::of_profile(profile, Position::End)
}

/// Writes the block if it differs, and looks again. Packages that this run installed may have replaced the file.
pub(super) fn write(ctx: &Context, action: &WriteCertifi) -> Result<(), Problem> {
    let found = fs::read(&action.path)?;
    let Some(present) = found.as_ref().and_then(|found| found.bytes.as_deref()) else {
        return if action.is_demanded { Err(no_certifi(&action.file)) } else { Ok(()) };
    };
    let text: String = action.certificates.read()?.iter().map(Certificate::pem).collect();
    let block = block(&action.profile);
    let content = block.put(present, text.as_bytes()).map_err(|unpaired| {
        Problem::new(format!("`{}`: {unpaired}", action.file.display()))
            .hint("remove the marker line that is left".to_owned())
    })?;
    let item = Item::of_text(text.as_bytes(), Some((&block, false)));
    let planned = PlannedItem { profile: action.profile.clone(), file: action.file.clone(), item };
    note_item(ctx, &planned, found.as_ref())?;
    if content != present {
        fs::replace(&action.path, &content, Attributes::default())?;
    }
    let now = fs::read(&action.path)?.and_then(|now| now.bytes);
    if now.as_deref() == Some(&content) {
        return Ok(());
    }
    Err(Problem::new(format!("`{}` does not have the written content", action.file.display())))
}

/// The problem of an environment without certifi.
pub(super) fn no_certifi(file: &Path) -> Problem {
    let hint = "add `certifi` to `[pip]`, or remove `python` from `to`";
    Problem::new(format!("there is no `{}`", file.display())).hint(hint.to_owned())
}
