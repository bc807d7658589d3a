//! The syntax of `${…}` in a text.

/// Why a text could not be expanded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unexpandable {
    pub(super) message: String,
    pub(super) hint: String,
    /// Whether the text is right, but a name in it has no value on this node.
    pub(super) is_unknown_here: bool,
    /// Whether another stage looks it up. The name then stays as written.
    pub(super) is_deferred: bool,
}

/// The value of a known name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    /// Its text.
    Text(String),
    /// It has none on this node, with the error for its use.
    Unknown(Unexpandable),
}

/// Replaces every `${name}` in a text. `$${` stands for `${`. `resolve` returns the value of a name, or the error of a
/// name that does not exist. If `keeps_unknown` is set, a name without a value on this node stays as written. A name
/// that another stage looks up always does.
pub(super) fn expand(
    text: &str,
    keeps_unknown: bool,
    mut resolve: impl FnMut(&str) -> Result<Value, Unexpandable>,
) -> Result<String, Unexpandable> {
    let mut expanded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find("${") {
        if rest[..start].ends_with('$') {
            expanded.push_str(&rest[..start]);
            expanded.push('{');
            rest = &rest[start + 2..];
            continue;
        }
        expanded.push_str(&rest[..start]);
        let Some(length) = rest[start..].find('}') else {
            return Err(Unexpandable {
                message: format!("`{}` has no closing brace", rest[start..].lines().next().unwrap_or_default()),
                hint: "write `${vars.NAME}`, or `$${` for a literal `${`".into(),
                is_unknown_here: false,
                is_deferred: false,
            });
        };
        match resolve(&rest[start + 2..start + length])? {
            Value::Text(value) => expanded.push_str(&value),
            Value::Unknown(why) if keeps_unknown || why.is_deferred => expanded.push_str(&rest[start..=start + length]),
            Value::Unknown(why) => return Err(why),
        }
        rest = &rest[start + length + 1..];
    }
    expanded.push_str(rest);
    Ok(expanded)
}

/// The names in a text.
///
/// # Errors
/// If a brace is not closed.
pub(super) fn names(text: &str) -> Result<Vec<String>, Unexpandable> {
    let mut names = Vec::new();
    expand(text, true, |name| {
        names.push(name.to_owned());
        Ok(Value::Text(String::new()))
    })?;
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_brace_that_is_never_closed_is_an_error() {
        assert!(names("a ${vars.tier").is_err());
        assert_eq!(names("a-${vars.tier}-$${HOME}-${node.os}"), Ok(vec!["vars.tier".to_owned(), "node.os".into()]));
    }
}
