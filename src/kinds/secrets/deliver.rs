//! Delivers secrets to a file, and takes them back: whole or absent, with the mode and owner it shall have from its
//! first byte on, and in the receipt before it has its name.

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
        // A folder that is not there yet is made passable, not listable.
        fs::create_dirs(folder, 0o711)?;
    }
    let mut file =
        PartialFile::create(&wanted.path, Attributes { mode: Some(wanted.mode), owner: Some(wanted.owner) })?;
    file.write(content.reveal())?;
    // Killed from here on, the next run still knows what is ours.
    note(ctx, wanted, wanted.delivered(Some(file.stamp()?)))?;
    file.commit()?;
    if fs::read(&wanted.path)?.is_some_and(|found| wanted.is_as_wanted(&found, &content)) {
        return Ok(());
    }
    Err(Problem::new(format!("`{}` is not as it was written", wanted.path.display())))
}

/// Writes down what is delivered.
fn note(ctx: &Context, wanted: &DeliverSecrets, delivered: Delivered) -> Result<(), Problem> {
    Ok(Receipt::update(&ctx.root, |receipt| receipt.deliver(&wanted.profile, &wanted.file, delivered))?)
}

/// The file as it is now. One of others must be theirs whom the secret is for: what it holds goes into the new file.
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

/// Takes back what an earlier run delivered. What somebody else made of it since is left, with a warning.
pub(super) fn take_back(ctx: &Context, wanted: &RemoveSecrets) -> Result<(), Problem> {
    let path = wanted.path.display();
    let warn = |why: &str| ctx.progress.warn(format!("`{path}` was left where it is: {why}"));
    if let Some(found) = fs::read(&wanted.path)? {
        match (&wanted.known, wanted.rest(&found)) {
            (Delivered::File { stamps }, _) => {
                if !fs::remove_if(&wanted.path, stamps)? {
                    warn("nodeagent delivered a secret there, and somebody else has changed the file since");
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
