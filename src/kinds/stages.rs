//! The entries of one stage of a profile.

use super::list::{Profile, Sections};
use crate::{profile::RunStage, secrets::Address};

/// The entries of the stage of a profile. `None` if all its entries are of this stage.
pub(super) fn stage_of(profile: &Profile) -> Option<Sections> {
    let is_only_one = profile.stage == RunStage::Launch && profile.post_start.entries.is_empty();
    (!is_only_one).then(|| profile.sections.of_stage(profile.stage))
}

/// The sources of the secrets that the entries of the stage of a profile use.
pub fn secrets_of_stage(profile: &Profile) -> Vec<Address> {
    let secrets = &profile.sections.secrets;
    let Some(mut sections) = stage_of(profile) else {
        let delivered = secrets.items.iter().map(|entry| &entry.value.from);
        return delivered.chain(secrets.used.iter().map(|entry| &entry.value.from)).cloned().collect();
    };
    let delivered = sections.secrets.items.iter().map(|entry| entry.value.from.clone()).collect();
    [delivered, sections.secret_sources()].concat()
}
