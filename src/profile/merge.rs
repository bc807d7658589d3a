//! Merges a profile into the profile that it extends: the child takes precedence, lists are merged by identity.

use super::{Entry, Profile, Sections};
use crate::lock::BucketFolders;

/// Merges `child` into `parent`.
pub(super) fn over<S: Sections>(parent: Profile<S>, child: Profile<S>) -> Profile<S> {
    Profile {
        name: child.name,
        business_unit: child.business_unit.or(parent.business_unit),
        business_unit_at: child.business_unit_at.or(parent.business_unit_at),
        sources: Vec::new(),
        path: None,
        files: Vec::new(),
        conditions: parent.conditions.into_iter().chain(child.conditions).collect(),
        folders: BucketFolders::new(),
        lock: None,
        sections: S::merge(parent.sections, child.sections),
        vars: child.vars,
        stage: child.stage,
        post_start: parent.post_start.under(child.post_start),
        only_digests: child.only_digests,
        notes: parent.notes.into_iter().chain(child.notes).collect(),
    }
}

/// The parent's entries, with replacements by the child's entries of the same identity, then the child's new entries.
pub(crate) fn united<T, K: PartialEq>(
    parent: Vec<Entry<T>>,
    child: Vec<Entry<T>>,
    key: impl Fn(&T) -> K,
) -> Vec<Entry<T>> {
    let mut all = parent;
    // Only inherited entries are replaced, each of them once. One file may have several entries for a package, such as
    // requirements with different markers.
    let mut inherited: Vec<Option<K>> = all.iter().map(|entry| Some(key(&entry.value))).collect();
    for mut entry in child {
        let identity = Some(key(&entry.value));
        match inherited.iter().position(|known| *known == identity) {
            Some(index) => {
                inherited[index] = None;
                entry.order.inherit_names(&all[index].order);
                all[index] = entry;
            }
            None => all.push(entry),
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_replaces_what_it_inherits_and_keeps_all_of_its_own() {
        let origin = |line| crate::diagnostic::Origin { file: "x.toml".into(), line, column: 1 };
        let entry = |value: &str, line| Entry::plain(value.to_owned(), origin(line));
        let parent = vec![entry("numpy", 1), entry("six", 2)];
        let child = vec![entry("numpy<2; python_version<'3.12'", 3), entry("numpy>=2; python_version>='3.12'", 4)];
        let name = |text: &String| text[..text.find(['<', '>']).unwrap_or(text.len())].to_owned();
        let all = united(parent, child, name);
        assert_eq!(all.iter().map(|entry| entry.origin.line).collect::<Vec<_>>(), [3, 2, 4]);
    }
}
