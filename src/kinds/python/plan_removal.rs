//! Plans the removal of distributions that the profile declares absent.

use super::{
    action::{Action, PythonRemoval},
    checked::Python,
    node::Node,
};
use crate::plan::{Asked, Group, Lane, Phase, Planner};

impl Python {
    /// Plans the removal of distributions that must not be installed: one step for all required entries, and one for
    /// each optional entry.
    pub(super) fn removals(&self, node: &Node<'_>, planner: &mut Planner<'_, Action>) {
        let guarded = self.pip.guarded(&node.shipped);
        let asked = self.pip.absent.iter().filter_map(|entry| {
            let name = &entry.value;
            let is_installed = node.env.distributions.contains_key(name);
            if is_installed && guarded.contains_key(name) {
                let hint = format!("list `{name}` under `allow-change` in `[pip]`, too, if it may be removed");
                planner.refuse(&entry.origin, format!("the runtime ships `{name}`"), hint);
                return None;
            }
            Some(Asked { ready: (!is_installed).then(|| name.clone()), name: name.clone(), entry: entry.clone() })
        });
        let asked: Vec<_> = asked.collect();
        for group in planner.groups("pip.absent", Phase::Removals, &Lane::Python, asked) {
            let Group { entries, id, mut options, .. } = group;
            let environment = self.install(node, planner.common, &mut options);
            let names = entries.into_iter().map(|entry| entry.value).collect();
            planner.step(id, Action::Remove(Box::new(PythonRemoval { environment, names })), options);
        }
    }
}
