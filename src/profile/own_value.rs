//! The rule of references in the value of an environment variable. Values are literal.

use super::Rules;
use crate::grammar::{document::Part, names};

impl Rules<'_> {
    /// Reports a value of an environment variable that refers to the variable itself: it would replace the variable by
    /// the text of the reference. Notes a reference to another variable. Returns whether the value is sound.
    pub(crate) fn check_references(&mut self, at: &[Part], name: &str, text: &str) -> bool {
        let is_sound = !refers_to(text, name);
        if !is_sound {
            let hint = format!(
                "values are literal; for a list of paths write `{name} = {{ prepend = \"…\" }}` or `{name} = {{ append = \
                 \"…\" }}` in `[env.variables]`; write any other value whole"
            );
            self.mistake(at, format!("the value of `{name}` refers to `{name}` itself"), hint);
        }
        let note = reference(text).map(|other| {
            format!(
                "the value of `{name}` at {} contains `{other}`, which stays as it is: values are literal",
                self.origin(at)
            )
        });
        self.note(format!("env.variables.{name}"), note);
        is_sound
    }
}

/// Whether a text has `$name`, `${name}` or `${name:…}`.
fn refers_to(text: &str, name: &str) -> bool {
    text.split('$').skip(1).any(|after| {
        let (rest, is_braced) = after.strip_prefix('{').map_or((after, false), |rest| (rest, true));
        let Some(rest) = rest.strip_prefix(name) else { return false };
        let next = rest.chars().next();
        if is_braced { matches!(next, Some('}' | ':')) } else { !next.is_some_and(|c| c.is_alphanumeric() || c == '_') }
    })
}

/// The first `$NAME` of a text.
fn reference(text: &str) -> Option<String> {
    text.split('$').skip(1).find_map(|after| {
        let end = after.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(after.len());
        names::is_variable(&after[..end]).then(|| format!("${}", &after[..end]))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_whole_name_is_a_reference() {
        for text in ["$PATH:/opt/bin", "/opt/bin:$PATH", "${PATH}:/opt/bin", "$${PATH}:/x", "/x${PATH:+:$PATH}"] {
            assert!(refers_to(text, "PATH"), "{text}");
        }
        for text in ["PATH", "$PATHS", "$PATH_2", "${PATHS}", "${vars.PATH}", "$HOME/PATH", ""] {
            assert!(!refers_to(text, "PATH"), "{text}");
        }
        assert!(!refers_to("${vars.x}", "vars"), "it is a variable of the profile");
    }

    #[test]
    fn a_reference_begins_with_a_dollar_sign_and_a_name() {
        assert_eq!(reference("/x:$HOME/bin"), Some("$HOME".to_owned()));
        for text in ["costs 5$", "$5", "${vars.home}", "$${HOME}", "$"] {
            assert_eq!(reference(text), None, "{text}");
        }
    }
}
