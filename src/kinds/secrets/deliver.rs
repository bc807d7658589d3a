//! Delivers secrets to a file, and removes them. Files are complete or absent. They have their mode and owner from the
//! first byte, and the receipt records them before they get their names.

use super::secret_file::{DeliverSecrets, DeliveryError, RemoveSecrets};
use crate::{
    fs::{self, Attributes, PartialFile, Snapshot},
    inventory::Vault,
    problem::Problem,
    secrets::Secret,
    state::{Delivered, Receipt},
    steps::Context,
};

/// Writes the file and looks again.
pub(super) fn deliver(ctx: &Context, wanted: &DeliverSecrets, vault: &Vault) -> Result<(), Problem> {
    let value = |from: &_| -> Option<&Secret> { vault.get(from).and_then(Result::ok) };
    // Others may have written to the file since the plan was made: their lines are taken as they are now.
    let before = readable(wanted)?;
    let content = wanted.content(before.as_ref(), value)?;
    if let Some(found) = before.filter(|found| wanted.is_as_wanted(found, &content) && wanted.is_also_of_others(found))
    {
        // Two profiles ask for the same: written again, it would be unknown to the other.
        return note(ctx, wanted, wanted.delivered(found.stamp));
    }
    if let Some(folder) = wanted.path.parent() {
        // A missing folder is created so that users can pass through it but not list it.
        fs::create_dirs(folder, 0o711)?;
    }
    let mut file =
        PartialFile::create(&wanted.path, Attributes { mode: Some(wanted.mode), owner: Some(wanted.owner) })?;
    file.write(content.reveal())?;
    // If the process is killed after this, the next run still knows what was delivered.
    note(ctx, wanted, wanted.delivered(Some(file.stamp()?)))?;
    file.commit()?;
    if fs::read(&wanted.path)?.is_some_and(|found| wanted.is_as_wanted(&found, &content)) {
        return Ok(());
    }
    Err(Problem::new(format!("`{}` is not as it was written", wanted.path.display())))
}

/// Records the delivery.
fn note(ctx: &Context, wanted: &DeliverSecrets, delivered: Delivered) -> Result<(), Problem> {
    Ok(Receipt::update(&ctx.root, |receipt| receipt.deliver(&wanted.profile, &wanted.file, delivered))?)
}

/// The present file. A shared file must belong to the secret's owner, because its content is copied to the new file.
fn readable(wanted: &DeliverSecrets) -> Result<Option<Snapshot>, Problem> {
    let found = fs::read(&wanted.path)?;
    match &found {
        Some(found) if wanted.kind.is_shared() && (found.bytes.is_none() || found.owner.0 != wanted.owner.0) => {
            let message = format!("`{}` is not a file of the owner that it is for", wanted.path.display());
            Err(Problem::new(message).hint("name its owner with `owner`, or move it out of the way".to_owned()))
        }
        _ => Ok(found),
    }
}

impl From<DeliveryError> for Problem {
    fn from(error: DeliveryError) -> Self {
        Self::new(error.to_string()).hint(error.hint())
    }
}

/// Removes the secrets of an earlier delivery. A file that was changed since then is left, with a warning.
pub(super) fn remove_delivered(ctx: &Context, wanted: &RemoveSecrets) -> Result<(), Problem> {
    let path = wanted.path.display();
    let warn = |why: &str| ctx.progress.warn(format!("`{path}` was left where it is: {why}"));
    if let Some(found) = fs::read(&wanted.path)? {
        match (&wanted.known, wanted.rest(&found)) {
            (Delivered::File { stamps }, _) => {
                if !fs::remove_if(&wanted.path, stamps)? {
                    warn("nodeagent delivered a secret there, and the file was changed since");
                }
            }
            (_, Err(unpaired)) => warn(&unpaired.to_string()),
            (_, Ok(rest)) => {
                let rest = rest.as_ref().map(crate::secrets::file_formats::Rendered::reveal).unwrap_or_default();
                if rest.trim_ascii().is_empty() {
                    fs::remove_if(&wanted.path, found.stamp.as_slice())?;
                } else if found.bytes.as_deref() != Some(rest) {
                    fs::replace(&wanted.path, rest, Attributes::default())?;
                }
            }
        }
    }
    Ok(Receipt::update(&ctx.root, |receipt| receipt.take_back(&wanted.profile, &wanted.file))?)
}
