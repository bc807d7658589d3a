//! The steps that another step may need: those that create its resources, and those with `before`.

use std::{
    collections::{BTreeSet, HashMap},
    path::Path,
};

use super::{phase::Resource, step::Step};

/// The steps that others may need. Without it, each step would be compared with each other one.
pub(super) struct NeedSources<'a> {
    creators_of_paths: HashMap<&'a Path, Vec<usize>>,
    creators_of_others: HashMap<&'a Resource, Vec<usize>>,
    /// The steps with `before`.
    with_before: Vec<usize>,
    count: usize,
}

impl<'a> NeedSources<'a> {
    pub(super) fn of<A>(steps: &'a [Step<A>]) -> Self {
        let mut creators_of_paths: HashMap<&Path, Vec<usize>> = HashMap::new();
        let mut creators_of_others: HashMap<&Resource, Vec<usize>> = HashMap::new();
        for (index, step) in steps.iter().enumerate() {
            for created in &step.creates {
                let creators = match created {
                    Resource::Path(path) => creators_of_paths.entry(path).or_default(),
                    Resource::User(_) | Resource::Group(_) | Resource::Package(_) => {
                        creators_of_others.entry(created).or_default()
                    }
                };
                creators.push(index);
            }
        }
        let with_before = (0..steps.len()).filter(|&index| !steps[index].order.before.is_empty()).collect();
        Self { creators_of_paths, creators_of_others, with_before, count: steps.len() }
    }

    /// The steps that a step may need.
    pub(super) fn of_step<A>(&self, step: &Step<A>) -> BTreeSet<usize> {
        if !step.order.after.is_empty() {
            return (0..self.count).collect();
        }
        let mut needed: BTreeSet<usize> = self.with_before.iter().copied().collect();
        for used in &step.uses {
            match used {
                Resource::Path(path) => {
                    needed.extend(path.ancestors().filter_map(|path| self.creators_of_paths.get(path)).flatten());
                }
                Resource::User(_) | Resource::Group(_) | Resource::Package(_) => {
                    needed.extend(self.creators_of_others.get(used).into_iter().flatten());
                }
            }
        }
        needed
    }
}
