//! Updates a lock with a new section.

use super::{Lock, LockedFile, Section};

impl Lock {
    /// The lock with a new section, which replaces the section it renews. If the profile changed, other sections of the
    /// same runtime are removed, because their requests may be out of date. Returns the removed sections that were made
    /// under other conditions.
    pub fn with(
        before: Option<&Self>,
        profile: &str,
        mut files: Vec<LockedFile>,
        section: Section,
    ) -> (Self, Vec<Section>) {
        files.sort();
        let same_files = before.is_some_and(|before| before.files == files);
        let (mut sections, mut gone) = (vec![section], Vec::new());
        for other in before.iter().flat_map(|before| &before.sections) {
            let new = &sections[0];
            match (other.runtime == new.runtime, other.asks == new.asks) {
                (true, true) => {}
                // The section with the same conditions is the one that is renewed.
                (true, false) if !same_files && other.conditions == new.conditions => {}
                (true, false) if !same_files => gone.push(other.clone()),
                _ => sections.push(other.clone()),
            }
        }
        for section in &mut sections {
            section.apt.sort();
            section.python.sort();
            section.venvs.values_mut().for_each(|files| files.sort());
            section.r.sort();
            section.git.sort();
            section.assets.sort();
        }
        sections.sort_by(|left, right| (&left.runtime, &left.asks).cmp(&(&right.runtime, &right.asks)));
        let serial = before.map_or(1, |before| before.serial);
        let mut lock = Self { serial, profile: profile.to_owned(), files, sections };
        if before.is_some_and(|before| *before != lock) {
            lock.serial += 1;
        }
        (lock, gone)
    }
}
