//! The values of `${…}` for a template file, which is read after the rules of its profile are checked.

use std::collections::BTreeMap;

use super::{
    expansion::{self, Unexpandable, Value},
    values::Values,
};
use crate::diagnostic::nearest;

/// The values of all names, as they are for the file of the profile that names the template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemplateValues(BTreeMap<String, Result<String, Unexpandable>>);

impl TemplateValues {
    pub(super) fn of(values: &Values<'_>) -> Self {
        let value = |name: String| {
            let text = values.expand(&format!("${{{name}}}"));
            (name, text)
        };
        Self(values.names().map(value).collect())
    }

    /// The text with its `${…}` replaced. The error is a message and a hint.
    ///
    /// # Errors
    /// If a name is not known, or has no value on this node.
    pub fn fill(&self, text: &str) -> Result<String, (String, String)> {
        let resolve = |name: &str| match self.0.get(name) {
            Some(Ok(text)) => Ok(Value::Text(text.clone())),
            Some(Err(unknown)) => Ok(Value::Unknown(unknown.clone())),
            None => {
                let near = nearest(name, self.0.keys().map(String::as_str));
                let hint = match near {
                    Some(near) => {
                        format!("did you mean `${{{near}}}`? write `$${{{name}}}` for a literal `${{{name}}}`")
                    }
                    None => format!("declare it in `[vars]`, or write `$${{{name}}}` for a literal `${{{name}}}`"),
                };
                let message = format!("`${{{name}}}` is not a known value");
                Err(Unexpandable { message, hint, is_unknown_here: false, is_deferred: false })
            }
        };
        expansion::expand(text, false, resolve).map_err(|error| (error.message, error.hint))
    }
}
