//! The record of `[system]` in the receipt.

use std::path::Path;

use crate::{
    problem::Problem,
    report::event::Difference,
    state::{Receipt, Replaced, SystemReceipt},
    steps::Context,
};

/// Changes the record of a profile.
pub(super) fn note(ctx: &Context, profile: &str, change: impl FnOnce(&mut SystemReceipt)) -> Result<(), Problem> {
    Ok(Receipt::update(&ctx.root, |receipt| receipt.change_system(profile, change))?)
}

/// The present record of a profile.
pub(super) fn read(root: &Path, profile: &str) -> SystemReceipt {
    Receipt::read(root).system(profile).cloned().unwrap_or_default()
}

/// How a value that is not as the profile wants it differs. `None` if the profile changed.
pub(super) fn difference(record: Option<&Replaced>, wanted: &str) -> Option<Difference> {
    match record {
        None => Some(Difference::Missing),
        Some(record) => (record.value == wanted).then_some(Difference::Drifted),
    }
}
