//! Schedules packages: those on the longest remaining path first, and none that depend on a failed package.

use std::collections::{BTreeMap, BTreeSet};

/// A package to install.
#[derive(Debug)]
pub(super) struct Task {
    /// Its name.
    pub(super) name: String,
    /// The packages that must be installed before.
    pub(super) needs: BTreeSet<String>,
    /// The estimated duration in milliseconds.
    pub(super) cost: u64,
}

/// The packages that are not installed yet.
#[derive(Debug)]
pub(super) struct Queue {
    waiting: BTreeMap<String, BTreeSet<String>>,
    /// The duration of the longest path that starts with each package.
    path: BTreeMap<String, u64>,
    /// Packages that cannot be installed, and the failed package that blocks them.
    blocked: BTreeMap<String, String>,
}

impl Queue {
    /// A queue of all tasks, which must be in dependency order.
    pub(super) fn new(tasks: &[Task]) -> Self {
        let mut path: BTreeMap<String, u64> = BTreeMap::new();
        // In reverse order, so that dependents come before their dependencies.
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

    /// Whether a package can start now.
    pub(super) fn has_ready(&self) -> bool {
        self.ready().next().is_some()
    }

    /// Takes the package that should start next.
    pub(super) fn take(&mut self) -> Option<String> {
        // `min_by_key` over the negated length takes the first of equal names.
        let next = self.ready().min_by_key(|name| std::cmp::Reverse(self.path.get(*name))).cloned()?;
        self.waiting.remove(&next);
        Some(next)
    }

    /// Returns a taken package to the queue.
    pub(super) fn put_back(&mut self, name: &str) {
        self.waiting.insert(name.to_owned(), BTreeSet::new());
    }

    /// Marks a package as installed. Packages that waited for it may start.
    pub(super) fn succeeded(&mut self, name: &str) {
        for needs in self.waiting.values_mut() {
            needs.remove(name);
        }
    }

    /// Marks a package as failed. Its direct and indirect dependents are not installed.
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

    /// The packages that were not installed because this one failed.
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
    fn the_longest_remaining_path_starts_first() {
        let mut queue = queue(&[("big", &[], 50), ("small", &[], 1), ("top", &["small"], 60)]);
        assert_eq!(queue.take().as_deref(), Some("small"));
        assert_eq!(queue.take().as_deref(), Some("big"));
        assert_eq!(queue.take(), None);
        queue.put_back("big");
        assert_eq!(queue.take().as_deref(), Some("big"), "its dependency is installed");
        queue.succeeded("small");
        assert_eq!(queue.take().as_deref(), Some("top"));
    }

    #[test]
    fn only_dependents_of_a_failed_package_are_skipped() {
        let mut queue = queue(&[("a", &[], 1), ("b", &["a"], 1), ("c", &["b"], 1), ("d", &[], 1)]);
        assert_eq!(queue.take().as_deref(), Some("a"));
        queue.failed("a");
        assert_eq!(queue.blocked_by("a"), ["b", "c"]);
        assert_eq!(queue.take().as_deref(), Some("d"));
        assert!(!queue.has_ready());
    }
}
