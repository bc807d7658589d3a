//! Which package is next: those on the longest remaining path first, and nothing that needs a package that failed.

use std::collections::{BTreeMap, BTreeSet};

/// A package to install.
#[derive(Debug)]
pub(super) struct Task {
    /// Its name.
    pub(super) name: String,
    /// The packages that must be there before.
    pub(super) needs: BTreeSet<String>,
    /// About how long it takes, in milliseconds.
    pub(super) cost: u64,
}

/// The packages that are still to be installed.
#[derive(Debug)]
pub(super) struct Queue {
    waiting: BTreeMap<String, BTreeSet<String>>,
    /// How long everything takes that begins with this package.
    path: BTreeMap<String, u64>,
    /// Packages that cannot be installed, and the one that failed.
    blocked: BTreeMap<String, String>,
}

impl Queue {
    /// All tasks wait; each must come after those it needs.
    pub(super) fn new(tasks: &[Task]) -> Self {
        let mut path: BTreeMap<String, u64> = BTreeMap::new();
        // Backwards: what needs a package is known before the package itself.
        for task in tasks.iter().rev() {
            let own = path.get(&task.name).copied().unwrap_or(0) + task.cost;
            path.insert(task.name.clone(), own);
            for needed in &task.needs {
                let behind = path.entry(needed.clone()).or_default();
                *behind = own.max(*behind);
            }
        }
        let waiting = tasks.iter().map(|task| (task.name.clone(), task.needs.clone())).collect();
        Self { waiting, path, blocked: BTreeMap::new() }
    }

    fn ready(&self) -> impl Iterator<Item = &String> {
        self.waiting.iter().filter(|(_, needs)| needs.is_empty()).map(|(name, _)| name)
    }

    /// Whether a package could begin now.
    pub(super) fn has_ready(&self) -> bool {
        self.ready().next().is_some()
    }

    /// Takes the package that should begin now.
    pub(super) fn take(&mut self) -> Option<String> {
        // `min_by_key` over the negated length: among equals the first name wins.
        let next = self.ready().min_by_key(|name| std::cmp::Reverse(self.path.get(*name))).cloned()?;
        self.waiting.remove(&next);
        Some(next)
    }

    /// A package that was taken is to begin later.
    pub(super) fn put_back(&mut self, name: &str) {
        self.waiting.insert(name.to_owned(), BTreeSet::new());
    }

    /// A package is there: those that waited for it may go on.
    pub(super) fn succeeded(&mut self, name: &str) {
        for needs in self.waiting.values_mut() {
            needs.remove(name);
        }
    }

    /// A package failed: those that need it, directly or not, will not be tried.
    pub(super) fn failed(&mut self, name: &str) {
        let mut gone = vec![name.to_owned()];
        while let Some(missing) = gone.pop() {
            let needing: Vec<String> = self
                .waiting
                .iter()
                .filter(|(_, needs)| needs.contains(&missing))
                .map(|(name, _)| name.clone())
                .collect();
            for package in needing {
                self.waiting.remove(&package);
                self.blocked.insert(package.clone(), name.to_owned());
                gone.push(package);
            }
        }
    }

    /// The packages that were not tried because this one failed.
    pub(super) fn blocked_by(&self, name: &str) -> Vec<String> {
        self.blocked.iter().filter(|(_, by)| *by == name).map(|(package, _)| package.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue(tasks: &[(&str, &[&str], u64)]) -> Queue {
        let task = |(name, needs, cost): &(&str, &[&str], u64)| Task {
            name: (*name).to_owned(),
            needs: needs.iter().map(|&needed| needed.to_owned()).collect(),
            cost: *cost,
        };
        Queue::new(&tasks.iter().map(task).collect::<Vec<_>>())
    }

    #[test]
    fn the_longest_remaining_path_goes_first() {
        let mut queue = queue(&[("big", &[], 50), ("small", &[], 1), ("top", &["small"], 60)]);
        assert_eq!(queue.take().as_deref(), Some("small"));
        assert_eq!(queue.take().as_deref(), Some("big"));
        assert_eq!(queue.take(), None);
        queue.put_back("big");
        assert_eq!(queue.take().as_deref(), Some("big"), "it waited for somebody else");
        queue.succeeded("small");
        assert_eq!(queue.take().as_deref(), Some("top"));
    }

    #[test]
    fn what_needs_a_failed_package_is_not_tried_and_the_rest_is() {
        let mut queue = queue(&[("a", &[], 1), ("b", &["a"], 1), ("c", &["b"], 1), ("d", &[], 1)]);
        assert_eq!(queue.take().as_deref(), Some("a"));
        queue.failed("a");
        assert_eq!(queue.blocked_by("a"), ["b", "c"]);
        assert_eq!(queue.take().as_deref(), Some("d"));
        assert!(!queue.has_ready());
    }
}
