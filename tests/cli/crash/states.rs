//! The states of a disk after a power loss.
//!
//! The model is POSIX as strictly as it can be read. A power loss happens after any operation. Then:
//!
//! - Everything that an fsync covered is on the disk: for a file its content, size, permissions and time; for a folder
//!   its entries. `sync` and `syncfs` cover everything. An fsync covers what ended before it began.
//! - The fsync of a new file does not make its name durable, nor the names of the folders above.
//! - Changes of entries since the last fsync of their folder are lost or on the disk, each for itself, in any order. A
//!   rename is atomic: both names change, or none, and the fsync of one of its folders is enough.
//! - The content of a file since its last fsync is lost, on the disk, or torn: the first operations only, the start of
//!   the new bytes only, or zeros in the place of all or the last new bytes. Permissions and times may be lost although
//!   the content is not.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    disk::{Disk, Inode, Kind},
    history::{History, Operation},
};

/// The content of a file after a power loss.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Content {
    /// Nothing since the last fsync.
    Lost,
    /// Everything.
    Whole,
    /// Everything except permissions and times.
    WithoutAttributes,
    /// Only this many operations.
    First(usize),
    /// The file ends after this share of its new bytes, in 1/16.
    CutOff(usize),
    /// From this share of its new bytes on it has zeros, in 1/16.
    Zeros(usize),
}

/// The operations that a power loss at an instant may undo.
struct Pending {
    durable: Vec<usize>,
    entries: Vec<usize>,
    /// By file.
    contents: BTreeMap<Inode, Vec<usize>>,
}

/// A decision about all pending operations.
struct Choice {
    entries: Vec<bool>,
    contents: Vec<Content>,
}

/// A state with the way it came about, for messages.
pub(super) struct State {
    pub(super) disk: Disk,
    pub(super) instant: usize,
    pub(super) description: String,
}

/// States of a history: all of them if they are at most `limit`, otherwise a random sample of `limit` different ones.
pub(super) fn states(history: &History, limit: usize, random: &mut fastrand::Rng) -> Vec<State> {
    let mut found = Found { history, seen: BTreeSet::new(), states: Vec::new() };
    let instants = history.operations.len();
    let pending: Vec<Pending> = (0..=instants).map(|instant| pending(history, instant)).collect();
    let total = pending.iter().fold(0_usize, |sum, pending| sum.saturating_add(pending.choices(history)));
    if total <= limit {
        for (instant, pending) in pending.iter().enumerate() {
            for number in 0..pending.choices(history) {
                found.add(instant, pending, &pending.choice(number, history));
            }
        }
        return found.states;
    }
    // Small histories have fewer different states than choices.
    for _ in 0..limit * 30 {
        if found.states.len() == limit {
            break;
        }
        let instant = random.usize(0..=instants);
        found.add(instant, &pending[instant], &pending[instant].random_choice(history, random));
    }
    found.states
}

struct Found<'a> {
    history: &'a History,
    seen: BTreeSet<String>,
    states: Vec<State>,
}

impl Found<'_> {
    fn add(&mut self, instant: usize, pending: &Pending, choice: &Choice) {
        let disk = pending.disk(self.history, choice);
        if self.seen.insert(disk.digest()) {
            let description = pending.describe(self.history, choice);
            self.states.push(State { disk, instant, description });
        }
    }
}

/// Divides the operations before an instant into durable and pending ones.
fn pending(history: &History, instant: usize) -> Pending {
    let operations = &history.operations[..instant];
    // For each file or folder, the number of operations before its last fsync began.
    let (mut synced, mut all) = (BTreeMap::new(), 0);
    for recorded in operations {
        match recorded.operation {
            Operation::Sync { inode } => drop(synced.insert(inode, recorded.began_after)),
            Operation::SyncAll => all = recorded.began_after,
            _ => {}
        }
    }
    let covered = |inode: &Inode| all.max(synced.get(inode).copied().unwrap_or_default());
    let mut pending = Pending { durable: Vec::new(), entries: Vec::new(), contents: BTreeMap::new() };
    for (index, recorded) in operations.iter().enumerate() {
        let (folders, file) = (recorded.operation.folders(), recorded.operation.file());
        if folders.iter().chain(&file).any(|inode| index < covered(inode)) {
            pending.durable.push(index);
        } else if let Some(file) = file {
            pending.contents.entry(file).or_default().push(index);
        } else if !folders.is_empty() {
            pending.entries.push(index);
        }
    }
    pending
}

impl Pending {
    /// The possible contents of a file.
    fn contents_of(history: &History, operations: &[usize]) -> Vec<Content> {
        let has = |wanted: fn(&Operation) -> bool| {
            operations.iter().any(|&index| wanted(&history.operations[index].operation))
        };
        let mut all = vec![Content::Lost, Content::Whole];
        all.extend((1..operations.len()).map(Content::First));
        if has(|operation| matches!(operation, Operation::Mode { .. } | Operation::Time { .. })) {
            all.push(Content::WithoutAttributes);
        }
        if has(|operation| matches!(operation, Operation::Write { .. } | Operation::Resize { .. })) {
            all.extend([Content::CutOff(5), Content::CutOff(11), Content::Zeros(0), Content::Zeros(7)]);
        }
        all
    }

    /// The number of choices.
    fn choices(&self, history: &History) -> usize {
        let entries = 1_usize.checked_shl(u32::try_from(self.entries.len()).expect("few")).unwrap_or(usize::MAX);
        let contents = self.contents.values().map(|operations| Self::contents_of(history, operations).len());
        contents.fold(entries, usize::saturating_mul)
    }

    fn choice(&self, mut number: usize, history: &History) -> Choice {
        let mut digit = |base: usize| {
            let digit = number % base;
            number /= base;
            digit
        };
        let entries = self.entries.iter().map(|_| digit(2) == 1).collect();
        let contents = self.contents.values().map(|operations| {
            let all = Self::contents_of(history, operations);
            all[digit(all.len())]
        });
        Choice { entries, contents: contents.collect() }
    }

    /// Most faults need one lost operation among many others, or one that is on the disk although others are not. Few
    /// need a particular half of them.
    fn random_choice(&self, history: &History, random: &mut fastrand::Rng) -> Choice {
        let count = self.entries.len() + self.contents.len();
        let (share, special) = match random.u8(0..6) {
            0 => (0.0, None),
            1 => (1.0, None),
            2 => (0.0, (count > 0).then(|| random.usize(0..count))),
            3 => (1.0, (count > 0).then(|| random.usize(0..count))),
            4 => (0.5, None),
            _ => (0.9, None),
        };
        let mut is_present = |index: usize| (random.f64() < share) != (special == Some(index));
        let entries: Vec<bool> = (0..self.entries.len()).map(&mut is_present).collect();
        let contents: Vec<bool> = (self.entries.len()..count).map(is_present).collect();
        let contents = self.contents.values().zip(contents).map(|(operations, is_present)| {
            let all = Self::contents_of(history, operations);
            if is_present { Content::Whole } else { all[random.usize(0..all.len())] }
        });
        Choice { entries, contents: contents.collect() }
    }

    /// The disk after a power loss.
    fn disk(&self, history: &History, choice: &Choice) -> Disk {
        let mut disk = history.before.clone();
        let mut present = self.durable.clone();
        present
            .extend(self.entries.iter().zip(&choice.entries).filter(|(_, present)| **present).map(|(index, _)| *index));
        for (operations, content) in self.contents.values().zip(&choice.contents) {
            let is_attribute = |index: &&usize| {
                matches!(history.operations[**index].operation, Operation::Mode { .. } | Operation::Time { .. })
            };
            match content {
                Content::Lost => {}
                Content::First(count) => present.extend(&operations[..*count]),
                Content::WithoutAttributes => present.extend(operations.iter().filter(|index| !is_attribute(index))),
                Content::Whole | Content::CutOff(_) | Content::Zeros(_) => present.extend(operations),
            }
        }
        present.sort_unstable();
        let mut sizes = BTreeMap::new();
        for index in present {
            let operation = &history.operations[index].operation;
            if let Some(file) = operation.file()
                && self.contents.get(&file).is_some_and(|operations| operations[0] == index)
            {
                sizes.insert(file, disk.nodes[file].content.len());
            }
            operation.apply(&mut disk);
        }
        for (&file, content) in self.contents.keys().zip(&choice.contents) {
            let old = sizes.get(&file).copied().unwrap_or_default();
            let bytes = &mut disk.nodes[file].content;
            // Bytes that replaced others are new, too.
            let start = if bytes.len() > old { old } else { 0 };
            let at = |share: usize| start + (bytes.len() - start) * share / 16;
            match content {
                Content::CutOff(share) => bytes.truncate(at(*share)),
                Content::Zeros(share) => {
                    let from = at(*share);
                    bytes[from..].fill(0);
                }
                _ => {}
            }
        }
        disk
    }

    fn describe(&self, history: &History, choice: &Choice) -> String {
        let after = history.after();
        let name = |inode: Inode| {
            let named = after.nodes.iter().find_map(|node| node.entries.iter().find(|(_, other)| **other == inode));
            named.map_or_else(|| format!("#{inode}"), |(name, _)| format!("#{inode} {}", name.display()))
        };
        let entries = self.entries.iter().zip(&choice.entries).map(|(&index, present)| {
            let word = if *present { "on the disk" } else { "lost" };
            format!("{word}: {index} {:?}", history.operations[index].operation)
        });
        let contents = self.contents.keys().zip(&choice.contents);
        let contents = contents.map(|(&file, content)| format!("content of {}: {content:?}", name(file)));
        entries.chain(contents).collect::<Vec<_>>().join("\n")
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::*;
    use crate::crash::{disk::Node, history::Recorded};

    /// A folder with the file `x` that contains `old`, and operations on it. 1 is this file, 2 a new one, 3 a folder.
    fn history(operations: Vec<Operation>) -> History {
        let mut before = Disk::empty();
        before.nodes.extend([Kind::File, Kind::File, Kind::Folder].map(|kind| Node::new(kind, 0o644)));
        before.nodes[1].content = b"old".to_vec();
        before.enter(0, "x".as_ref(), 1);
        let operations = operations.into_iter().enumerate();
        let operations = operations.map(|(began_after, operation)| Recorded { operation, began_after }).collect();
        History { before, operations }
    }

    fn enter(folder: Inode, name: &str, inode: Inode) -> Operation {
        Operation::Enter { folder, name: name.into(), inode }
    }

    fn write(text: &str) -> Operation {
        Operation::Write { inode: 2, at: 0, bytes: text.as_bytes().to_vec() }
    }

    fn rename(from: &str, to: &str) -> Operation {
        let place = |name: &str| (0, OsString::from(name));
        Operation::Move { from: place(from), to: place(to), inode: 2, is_folder: false }
    }

    fn sync(inode: Inode) -> Operation {
        Operation::Sync { inode }
    }

    fn all(operations: Vec<Operation>) -> Vec<State> {
        states(&history(operations), 10_000, &mut fastrand::Rng::with_seed(1))
    }

    /// The different contents of a path in all states.
    fn contents(states: &[State], path: &str) -> BTreeSet<Option<String>> {
        let content = |state: &State| {
            let bytes = state.disk.content(path)?;
            Some(String::from_utf8_lossy(bytes).replace('\0', "0"))
        };
        states.iter().map(content).collect()
    }

    fn set(texts: &[&str]) -> BTreeSet<Option<String>> {
        texts.iter().map(|text| if *text == "-" { None } else { Some((*text).to_owned()) }).collect()
    }

    #[test]
    fn a_file_that_is_replaced_with_both_fsyncs_is_old_or_new() {
        let states = all(vec![enter(0, "t", 2), write("new"), sync(2), rename("t", "x"), sync(0)]);
        assert_eq!(contents(&states, "x"), set(&["old", "new"]));
    }

    #[test]
    fn a_replacement_without_fsync_is_found_as_torn() {
        let states = all(vec![enter(0, "t", 2), write("new"), rename("t", "x"), sync(0)]);
        let found = contents(&states, "x");
        assert!(found.is_superset(&set(&["", "ne", "n00", "000", "old", "new"])), "{found:?}");
    }

    #[test]
    fn a_name_needs_the_fsync_of_its_folder() {
        let mut history = history(vec![enter(0, "y", 2), write("new"), sync(2)]);
        let left = pending(&history, 3);
        assert_eq!((left.entries, left.contents.len()), (vec![0], 0));
        history.operations.push(Recorded { operation: sync(0), began_after: 3 });
        assert!(pending(&history, 4).entries.is_empty());
    }

    #[test]
    fn the_file_of_a_new_folder_needs_the_name_of_the_folder() {
        let operations = vec![enter(0, "d", 3), enter(3, "y", 2), sync(3)];
        assert_eq!(contents(&all(operations), "d/y"), set(&["-", ""]));
        let pending = pending(&history(vec![enter(0, "d", 3), enter(3, "y", 2), sync(3)]), 3);
        assert_eq!(pending.entries, [0]);
    }

    #[test]
    fn an_fsync_covers_only_what_ended_before_it_began() {
        let mut history = history(vec![enter(0, "y", 2), sync(0)]);
        assert_eq!(pending(&history, 2).entries, [0; 0]);
        history.operations[1].began_after = 0;
        assert_eq!(pending(&history, 2).entries, [0]);
    }

    #[test]
    fn entries_persist_in_any_order_and_a_rename_is_atomic() {
        let states = all(vec![enter(0, "a", 2), enter(0, "d", 3), rename("a", "b")]);
        let names = |state: &State| -> Vec<String> {
            state.disk.nodes[0].entries.keys().map(|name| name.display().to_string()).collect()
        };
        let found: BTreeSet<Vec<String>> = states.iter().map(names).collect();
        let expected = ["a d x", "a x", "b d x", "b x", "d x", "x"];
        let expected = expected.map(|names| names.split(' ').map(str::to_owned).collect());
        assert_eq!(found, BTreeSet::from(expected));
    }

    #[test]
    fn a_sample_has_the_wanted_size_and_no_state_twice() {
        let operations = (0..12).map(|index| enter(0, &index.to_string(), 2)).collect();
        let states = states(&history(operations), 50, &mut fastrand::Rng::with_seed(1));
        let digests: BTreeSet<String> = states.iter().map(|state| state.disk.digest()).collect();
        assert_eq!((states.len(), digests.len()), (50, 50));
    }
}
