//! The variables of `[shell.variables]`: they go to login shells, in one file with those of `[env]`.

use super::{
    checked::{Change, Env, Variable, VariableSection},
    destinations::Destination,
    written::Written,
};
use crate::{
    kinds::shell::{Shell, VARIABLES},
    profile::{Entry, Order, Rules, Section, place},
};

impl Env {
    /// Adds the variables of `[shell.variables]` of one file. A name that the file sets in both sections is a mistake.
    pub(in crate::kinds) fn add_shell_variables(
        &mut self,
        written: &Written,
        shell: &<Shell as Section>::Written,
        rules: &mut Rules<'_>,
    ) {
        for (name, Entry { value, origin, .. }) in rules.shell_variables(shell) {
            if written.env.variables.contains_key(&name) {
                let other = rules.origin_of_key(&place!["env", "variables", name.as_str()]).with_column();
                let message =
                    format!("`{name}` is set in `[shell.variables]` and in `[env.variables]`; the other is at {other}");
                rules.mistake_in_key(&place!["shell", "variables", name.as_str()], message, "remove one of them");
                continue;
            }
            let value = Variable {
                change: Change::Set(value),
                to: Some(vec![Destination::Login]),
                section: VariableSection::Shell,
            };
            let order = Order { names: vec![VARIABLES.to_owned()], ..Order::default() };
            self.variables.insert(name, Entry { value, origin, optional: false, timeout: None, order });
        }
    }
}
